"""Arms: configs that are given, each trained on several fresh seeds.

`tune confirm`, `tune try` and `tune noise` are studies of arms: trial 0 is what the
others are set against, and seed i draws its own split of the non-test images, the
same for every arm, so that trainings i are a pair and a verdict covers the choice of
training images.

A look is a moment at which verdicts may be drawn. Every further look at more seeds
spends half of what is left of the error rate, so however often seeds are added, the
verdicts of a page are wrong no more often than those of one look. They share the rate:
a config that is tried later widens the intervals of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from search_spaces.config import completed, config_key
from search_spaces.errors import UsageError

AUTO = (3, 5, 8, 12)  # seeds that `--seeds auto` looks at


@dataclass(frozen=True)
class Arm:
    """One config of a study of arms.

    Attributes:
        name: What people call it.
        config: `CnnConfig.to_dict`.
        values: What of it is not as in arm 0.
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
        """Read what `to_dict` wrote."""
        return cls(**{**stored, "looks": tuple(stored["looks"])})


def look(arms: Sequence[Arm], asked: Sequence[Arm], seeds: int) -> list[Arm]:
    """Plan a look at some arms, beside those that a study has.

    Args:
        arms: The study's, arm 0 first; empty for a new study.
        asked: Those to look at, arm 0 first; matched by their configs.
        seeds: How many each of them shall have.

    Returns:
        All arms. Arm 0 has as many seeds as any other: every pair needs it.

    Raises:
        UsageError: Arm 0 is another than the study's.
    """
    if arms and arms[0].key != asked[0].key:
        then, now = completed(arms[0].config), completed(asked[0].config)
        names = [n for n in {**then, **now} if then.get(n) != now.get(n)]
        changes = ", ".join(f"{n} {then.get(n)} there, {now.get(n)} now" for n in names)
        raise UsageError(
            "Every config of this study is set against the same one, and that has "
            f"another value now: {changes}. Repeat the earlier options, or give "
            "another --name, or --overwrite to start anew."
        )
    found = {arm.key: arm for arm in arms}
    for arm in asked:
        found[arm.key] = found.get(arm.key, arm).looked_at(seeds)
    first, *others = found.values()
    most = max([first.seeds, *(arm.seeds for arm in others)])
    return [first.looked_at(most), *others]
