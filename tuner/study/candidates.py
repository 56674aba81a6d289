"""The configs that a study compares, each trained on several fresh seeds.

`tune confirm`, `tune try` and `tune noise` compare every candidate with candidate 0.
Seed i draws its own split of the non-test images, the same for every candidate. Runs
with the same seed are therefore pairs, and a verdict accounts for the choice of
training images.

A look is a point at which verdicts may be drawn. Each further look, at more seeds,
spends half of the remaining error rate. So the verdicts of a report are wrong no more
often than those of a single look, however often seeds are added. All comparisons share
that rate: adding a candidate widens the intervals of the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from search_spaces.config import completed, config_key
from search_spaces.errors import UsageError

AUTO = (3, 5, 8, 12)  # numbers of seeds at which `--seeds auto` looks


@dataclass(frozen=True)
class Candidate:
    """One config that a study compares.

    Attributes:
        name: Its name for people.
        config: `CnnConfig.to_dict`.
        values: The part of the config that differs from candidate 0.
        looks: The number of seeds at each look, past or under way; ascending.
    """

    name: str
    config: Mapping[str, Any]
    values: Mapping[str, Any]
    looks: tuple[int, ...] = ()

    @property
    def seeds(self) -> int:
        """The number of runs that it has or is about to have."""
        return self.looks[-1] if self.looks else 0

    @property
    def key(self) -> str:
        """A key that is equal for equal configs."""
        return config_key(self.config)

    def with_look(self, seeds: int) -> Self:
        """Add a look, unless it has that many seeds already."""
        if seeds <= self.seeds:
            return self
        return replace(self, looks=(*self.looks, seeds))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values for a record."""
        return {**asdict(self), "looks": list(self.looks)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Rebuild a candidate from `to_dict`.

        Raises:
            ValueError: `to_dict` did not write it.
        """
        try:
            looks = tuple(stored["looks"])
            name, config = str(stored["name"]), dict(stored["config"])
            is_valid = bool(looks) and all(isinstance(seeds, int) for seeds in looks)
        except (KeyError, TypeError, ValueError):
            is_valid = False
        if not is_valid:
            raise ValueError(
                "every candidate must have a name, a config and numbers of seeds under "
                f"'looks', got {stored!r:.120}"
            )
        return cls(name, config, stored.get("values", {}), looks)


def look(
    existing: Sequence[Candidate], requested: Sequence[Candidate], seeds: int
) -> list[Candidate]:
    """Plan a look at some candidates, new ones or a study's.

    Args:
        existing: The study's candidates, candidate 0 first; empty for a new study.
        requested: The candidates to look at, candidate 0 first; matched by config.
        seeds: The number of seeds that each of them is to have.

    Returns:
        All candidates. Candidate 0 has as many seeds as any other, because every pair
        needs it.

    Raises:
        UsageError: Candidate 0 differs from the study's.
    """
    if existing and existing[0].key != requested[0].key:
        then, now = completed(existing[0].config), completed(requested[0].config)
        names = [n for n in {**then, **now} if then.get(n) != now.get(n)]
        changes = ", ".join(f"{n} was {then.get(n)}, is {now.get(n)}" for n in names)
        raise UsageError(
            "A study must always compare with the same first config, and it has "
            f"changed: {changes}. Repeat the earlier options, choose another --name, "
            "or start over with --overwrite."
        )
    planned = {candidate.key: candidate for candidate in existing}
    for candidate in requested:
        before = planned.get(candidate.key, candidate)
        planned[candidate.key] = before.with_look(seeds)
    first, *others = planned.values()
    most = max([first.seeds, *(other.seeds for other in others)])
    return [first.with_look(most), *others]
