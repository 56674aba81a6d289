"""How often intervals and verdicts are wrong, in studies whose truth is known.

    python tests/benchmarks/verdicts.py [--runs 2000] [--pages 1000]

The first table is of single 95 % intervals: how many cover a true difference of one
point, and how wide they are beside what is needed, 1.96 standard deviations of the
estimate either way. The second is of whole pages, whose comparisons share one baseline
and are looked at after 3, 5, 8 and 12 trainings: how many pages hold a false verdict,
"better" or "worse" where nothing differs, "worse" or "too small to matter" where all
are better by more than the margin. A comparison counts with its first verdict where
looking ends with it ("stops"), or with all verdicts of all looks ("never stops").

Behind +- is a Monte-Carlo standard error. It fails where more than two of them lie
beyond the standard: 93 % of the intervals, 5 % of the pages. The last lines are the
worst setting of each table.

The settings of a table see the same draws as far as they can: a page of m comparisons
is the first m of a larger one. So rows are not independent of each other.

Images are drawn anew for each run and are the same for every config in it. There are
1,000, and differences and standard deviations between trainings are multiplied by the
root of ten: every part of the variance is then ten times that of 10,000 images, and
the tables are in points at 10,000. An image's difficulty, what a config makes of it,
and the luck of a training are normal, in log-odds.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from typing import NamedTuple

import numpy as np
from scipy import optimize

from reports.stats.comparisons import level_at
from reports.stats.differences import INCONCLUSIVE, MARGIN, Difference, compare
from reports.stats.intervals import half_width

IMAGES = 1000
SCALE = np.sqrt(10_000 / IMAGES)
LOOKS = (3, 5, 8, 12)
TRAININGS = LOOKS[:3]
COMPARISONS = (1, 3, 8, 15)
DIFFERENCES = (0.0, 0.6, 0.8)  # points; the margin is 0.5
FALSE_OF_NONE = ("better", "worse")
FALSE_OF_SOME = ("worse", "too small to matter")
EASE = 0.9  # mean log-odds of being right
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(80)


class Setting(NamedTuple):
    """What differs: spreads of images and configs on them, and of trainings.

    Attributes:
        images: Standard deviation of images' difficulty, log-odds.
        configs: Of what a config makes of single images, log-odds.
        trainings: Of a training's accuracy, in points at 10,000 images.
        share: Of a training's luck, and of an image's, that its pair has too.
    """

    images: float
    configs: float
    trainings: float
    share: float

    @property
    def luck(self) -> float:
        """The standard deviation of a training's log-odds."""
        spread = np.hypot(self.images, self.configs)
        slope = (expectation(0.01, spread) - expectation(-0.01, spread)) / 0.02
        return float(self.trainings / 100 * SCALE / slope)

    @property
    def spread(self) -> float:
        """The standard deviation of all of them together, log-odds."""
        return float(np.sqrt(self.images**2 + self.configs**2 + self.luck**2))


SINGLE = tuple(
    Setting(*values)
    for values in itertools.product(
        (0.8, 2.5), (0.0, 1.0), (0.0, 0.1, 0.3, 1.0, 3.0), (0.0, 0.5)
    )
)
PAGES = (
    Setting(1.5, 0.0, 0.0, 0.5),
    Setting(1.5, 0.5, 0.1, 0.5),
    Setting(1.5, 0.5, 0.3, 0.0),
    Setting(1.5, 0.5, 0.3, 0.5),
    Setting(2.5, 1.0, 1.0, 0.5),
    Setting(1.5, 0.0, 3.0, 0.0),
)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--pages", type=int, default=1000)
    asked = parser.parse_args()
    fine = [intervals(asked.runs), pages(asked.pages)]
    if not all(fine):
        sys.exit("Some are wrong more often than they may be.")


def intervals(runs: int) -> bool:
    """Print how single intervals cover; say whether all meet the standard."""
    print(f"{runs} runs each; standard deviations of images and configs in log-odds,")
    print("of trainings, and widths, in points at 10,000 images")
    print("images configs trainings pairs  k  covered %     width  needed")
    fine, lowest = True, 1.0
    for setting in SINGLE:
        rng = np.random.default_rng(0)
        found = np.empty((runs, len(TRAININGS), 3))
        truth, shift = 0.01 * SCALE, shift_for(0.01 * SCALE, setting.spread)
        for i in range(runs):
            first, other = draw(rng, setting, 2, TRAININGS[-1], shift)
            for j, k in enumerate(TRAININGS):
                seen = compare(other[:k], first[:k], is_paired=setting.share > 0)
                found[i, j] = seen.value, seen.low, seen.high
        for j, k in enumerate(TRAININGS):
            value, low, high = found[:, j].T
            covered = float(np.mean((low <= truth) & (truth <= high)))
            width, needed = np.mean(high - low), 2 * 1.96 * np.std(value)
            print(
                f"{setting.images:6} {setting.configs:7} {setting.trainings:9} "
                f"{'yes' if setting.share else 'no':>5} {k:2} {100 * covered:6.1f} "
                f"+- {100 * error(covered, runs):.1f} {100 * width / SCALE:7.2f} "
                f"{100 * needed / SCALE:7.2f}",
                flush=True,
            )
            fine &= covered + 2 * error(covered, runs) >= 0.93
            lowest = min(lowest, covered)
    print(f"fewest: {100 * lowest:.1f} % +- {100 * error(lowest, runs):.1f}")
    return fine


def pages(runs: int) -> bool:
    """Print how often pages say something false; say whether all meet the standard."""
    print(f"\n{runs} pages each with m comparisons; differences in points")
    print("images configs trainings share  m  true  false %: stops  never stops")
    fine, most = True, 0.0
    for setting, true in itertools.product(PAGES, DIFFERENCES):
        rng = np.random.default_rng(0)
        shift = shift_for(true / 100 * SCALE, setting.spread)
        drawn = [page(rng, setting, COMPARISONS[-1], shift) for _ in range(runs)]
        seen = Differences(*(np.stack(part) for part in zip(*drawn, strict=True)))
        for m in COMPARISONS:
            wrong = false_pages(seen.first(m), true).mean(axis=1)
            cells = [f"{100 * w:5.1f} +- {100 * error(w, runs):.1f}" for w in wrong]
            print(
                f"{setting.images:6} {setting.configs:7} {setting.trainings:9} "
                f"{setting.share:5} {m:2} {true:5}   {'   '.join(cells)}",
                flush=True,
            )
            fine &= all(w - 2 * error(w, runs) <= 0.05 for w in wrong)
            most = max(most, *wrong)
    print(f"most: {100 * most:.1f} % +- {100 * error(most, runs):.1f}")
    return fine


class Differences(NamedTuple):
    """What `compare` found for comparisons at looks, at no level yet.

    Attributes:
        value: Shape (..., comparisons, looks).
        of_images: The part of its variance from images, same shape.
        of_trainings: The part from one training of each, same shape.
    """

    value: np.ndarray
    of_images: np.ndarray
    of_trainings: np.ndarray

    def first(self, m: int) -> Differences:
        """Keep the first m comparisons."""
        return Differences(*(part[..., :m, :] for part in self))


def page(
    rng: np.random.Generator, setting: Setting, m: int, shift: float
) -> Differences:
    """Simulate a page of m comparisons at all looks."""
    first, *others = draw(rng, setting, m + 1, LOOKS[-1], shift)
    found = [
        [compare(other[:k], first[:k], is_paired=True) for k in LOOKS]
        for other in others
    ]
    parts = [
        [(d.value, d.image_variance, d.training_variance) for d in row] for row in found
    ]
    return Differences(*np.moveaxis(np.array(parts), -1, 0))


def false_pages(seen: Differences, true: float) -> np.ndarray:
    """Say which pages hold a false verdict, stopping or not: shape (2, pages)."""
    false = FALSE_OF_NONE if true == 0 else FALSE_OF_SOME
    m = seen.value.shape[1]
    ever = np.zeros(seen.value.shape[:2], bool)
    stopped, settled = ever.copy(), ever.copy()
    for look, k in enumerate(LOOKS, 1):
        value, of_images, of_trainings = (part[..., look - 1] for part in seen)
        level = level_at(look, m)
        half = half_width(of_images, of_trainings / k, k - 1, level)
        ends = value.ravel(), (value - half).ravel(), (value + half).ravel()
        words = np.array([
            Difference(*at, level, k, is_paired=True).word(MARGIN * SCALE)
            for at in zip(*ends, strict=True)
        ]).reshape(value.shape)  # fmt: skip
        is_false = np.isin(words, false)
        ever |= is_false
        stopped |= is_false & ~settled
        settled |= words != INCONCLUSIVE
    return np.stack([stopped.any(axis=1), ever.any(axis=1)])


def draw(
    rng: np.random.Generator, setting: Setting, configs: int, k: int, shift: float
) -> np.ndarray:
    """Draw which images k trainings of each config have right: [config, k, image].

    The first config is the baseline; the others are better by `shift`, in log-odds.
    """
    kept = np.sqrt(1 - setting.share)
    difficulty = rng.normal(EASE, setting.images, IMAGES)
    user_model = rng.normal(0, setting.configs, (configs, 1, IMAGES))
    luck = rng.normal(0, setting.luck, (configs, k, 1)) * kept
    luck += rng.normal(0, setting.luck, (1, k, 1)) * np.sqrt(setting.share)
    shifts = np.full((configs, 1, 1), shift)
    shifts[0] = 0
    p = 1 / (1 + np.exp(-(difficulty + user_model + shifts + luck), dtype=np.float32))
    chance = rng.random(p.shape, np.float32)
    if setting.share:
        shared = rng.random(p.shape[1:], np.float32) < setting.share
        chance = np.where(shared, chance[0], chance)
    return chance < p


def expectation(shift: float, spread: float) -> float:
    """Integrate over images, configs and trainings: the expected accuracy."""
    p = 1 / (1 + np.exp(-(EASE + shift + spread * NODES)))
    return float((WEIGHTS * p).sum() / WEIGHTS.sum())


def shift_for(difference: float, spread: float) -> float:
    """Find the log-odds that make a config more accurate by so much."""
    wanted = expectation(0, spread) + difference
    found = optimize.brentq(lambda x: expectation(x, spread) - wanted, -1, 3)
    return float(found)


def error(share: float, runs: int) -> float:
    """Give a share's Monte-Carlo standard error, of at least one run."""
    share = min(max(share, 1 / runs), 1 - 1 / runs)
    return float(np.sqrt(share * (1 - share) / runs))


if __name__ == "__main__":
    main()
