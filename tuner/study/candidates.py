"""Candidates: the configs that a study compares, each trained on several fresh seeds.

`tune confirm`, `tune try` and `tune noise` compare candidates: all others with
candidate 0. Seed i draws its own split of the non-test images, the same for every
candidate, so trainings i are a pair and a verdict covers the choice of training images.

A look is a moment at which verdicts may be drawn. Each further look, at more seeds,
spends half of what is left of the error rate. So the verdicts of a page are wrong no
more often than those of a single look, however often seeds are added. All comparisons
share that rate: a candidate that is added later widens the intervals of the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from search_spaces.config import completed, config_key
from search_spaces.errors import UsageError

AUTO = (3, 5, 8, 12)  # seeds that `--seeds auto` looks at


@dataclass(frozen=True)
class Candidate:
    """One config that a study compares.

    Attributes:
        name: What people call it.
        config: `CnnConfig.to_dict`.
        values: What of it is not as in candidate 0.
        looks: Numbers of seeds at which it was, or is being, looked at; ascending.
    """

    name: str
    config: Mapping[str, Any]
    values: Mapping[str, Any]
    looks: tuple[int, ...] = ()

    @property
    def seeds(self) -> int:
        """How many trainings it has or shall have."""
        return self.looks[-1] if self.looks else 0

    @property
    def key(self) -> str:
        """Tell its config from others."""
        return config_key(self.config)

    def looked_at(self, seeds: int) -> Self:
        """Plan a look; fewer seeds than it has are no new one."""
        if seeds <= self.seeds:
            return self
        return replace(self, looks=(*self.looks, seeds))

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, for a record."""
        return {**asdict(self), "looks": list(self.looks)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Raises:
            ValueError: It is not what `to_dict` writes.
        """
        try:
            looks = tuple(stored["looks"])
            name, config = str(stored["name"]), dict(stored["config"])
            is_whole = bool(looks) and all(isinstance(seeds, int) for seeds in looks)
        except (KeyError, TypeError, ValueError):
            is_whole = False
        if not is_whole:
            raise ValueError(
                "every candidate must have a name, a config and numbers of seeds under "
                f"'looks', got {stored!r:.120}"
            )
        return cls(name, config, stored.get("values", {}), looks)


def look(
    known: Sequence[Candidate], asked: Sequence[Candidate], seeds: int
) -> list[Candidate]:
    """Plan a look at some candidates, beside those that a study has.

    Args:
        known: The study's, candidate 0 first; empty for a new study.
        asked: Those to look at, candidate 0 first; matched by their configs.
        seeds: How many each of them shall have.

    Returns:
        All candidates. Candidate 0 has as many seeds as any other: every pair needs
        it.

    Raises:
        UsageError: Candidate 0 is not the study's.
    """
    if known and known[0].key != asked[0].key:
        then, now = completed(known[0].config), completed(asked[0].config)
        names = [n for n in {**then, **now} if then.get(n) != now.get(n)]
        changes = ", ".join(f"{n} {then.get(n)} there, {now.get(n)} now" for n in names)
        raise UsageError(
            "This study compares every config with the same first one, and that has "
            f"changed: {changes}. Repeat the earlier options, give another --name, or "
            "start anew with --overwrite."
        )
    planned = {candidate.key: candidate for candidate in known}
    for candidate in asked:
        before = planned.get(candidate.key, candidate)
        planned[candidate.key] = before.looked_at(seeds)
    first, *others = planned.values()
    most = max([first.seeds, *(other.seeds for other in others)])
    return [first.looked_at(most), *others]
