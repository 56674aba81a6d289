"""Promises of `--in`: what is chosen fills the time, and what is given stays."""

from __future__ import annotations

import math
import re
import time
from contextlib import nullcontext
from dataclasses import replace

import pytest
import studies
from scipy import stats
from tasks import digits

from search_spaces.config import BASELINE
from tuner.algorithms.screening import Limits
from tuner.cli import dry_run
from tuner.search import time_plan, timing
from tuner.search.planning import plan_study
from tuner.search.timing import Sizes, Speed, training_seconds
from tuner.study.descriptions import PlanRecord
from tuner.study.settings import SettingsError, StudySettings, parse_duration
from tuner.study.tasks import Ready, Timing

EIGHT = """
from dataclasses import replace
from search_spaces.config import BASELINE


def sample(hp, base=BASELINE):
    return replace(base, units=(hp.Choice("units", [8, 9, 10, 11, 12, 13, 14, 15]),))
"""


class _Whole(Speed):
    """As a `Speed`, of more images than the tests hold."""

    @property
    def sizes(self):
        return Sizes(45_000, 5_000, 10_000)


def _speed(settings):
    """Pretend that every config takes a millisecond an image on two workers."""
    data = digits()
    plan = plan_study(settings).fitted(Limits(), data.input_shape, 10)
    each = Timing(train_s=1e-3, evaluate_s=3e-4, start_s=1.0)
    ready = Ready("CPU, 1 thread", on_gpu=False, versions={}, workers=2)
    timed = tuple((replace(BASELINE, epochs=5), each) for _ in range(3))
    return _Whole(plan, Limits(), data, ready, timed, load_s=10.0)


def _fits(given=(), available=900.0, **options):
    settings = StudySettings(space="architecture", dataset="digits", **options)
    speed = _speed(settings)
    fits = time_plan._fits(speed, settings, given, available)
    wanted = settings.max_trials if "max_trials" in given else 12
    return next((f for f in fits if f.trials >= wanted), None), speed


@pytest.mark.parametrize("minutes", [3, 5, 15, 60, 600])
@pytest.mark.parametrize("algorithm", ["random", "hyperband"])
def test_the_plan_fills_the_time_and_does_not_pass_it(minutes, algorithm):
    fit, speed = _fits(available=60.0 * minutes, algorithm=algorithm)
    training = speed.training_s(speed.sizes.of(fit.images), fit.epochs)
    sizes = speed.sizes.of(fit.images)
    if algorithm == "random":
        work = (fit.trials + 1) * training
    else:  # with the baseline and the recipe
        planned = _hyperband(fit)
        runs = sum(rung.configs for rungs in planned.brackets for rung in rungs)
        fixed = training_seconds(speed.timed[0][1], sizes, 0)
        epoch = training_seconds(speed.timed[0][1], sizes, 1) - fixed
        work = (runs + 2) * fixed + (planned.epochs + 2 * fit.epochs) * epoch
    wall = work / 2 + training / 4
    assert wall <= 60 * minutes
    is_all_of_hyperband = algorithm == "hyperband" and minutes == 600
    assert wall > (0.8 * 60 * minutes) or is_all_of_hyperband
    assert fit.trials >= 12


def _hyperband(fit):
    from tuner.algorithms import hyperband

    return hyperband.plan(fit.epochs, 1, fit.trials - 1)


def test_more_time_buys_images_first_then_trials():
    short, long, longest = (_fits(available=60.0 * m)[0] for m in (3, 9, 300))
    assert short.images < long.images < longest.images == 50_000
    assert longest.trials > 12
    assert short.epochs <= long.epochs == 5


def test_what_a_user_gives_stays():
    fit, _ = _fits(given={"epochs"}, epochs=2)
    assert fit.epochs == 2
    fit, _ = _fits(base=replace(BASELINE, epochs=7).to_dict())
    assert fit.epochs == 7
    fit, _ = _fits(given={"max_trials"}, max_trials=30)
    assert fit.trials >= 30
    assert fit.images < _fits()[0].images
    assert _fits(available=20.0)[0] is None


@pytest.fixture
def chosen(monkeypatch):
    """Choose on a machine whose speed is known; what was said comes too."""

    def choose(given=(), space="architecture", **options):
        settings = StudySettings(space=space, dataset="digits", **options)
        monkeypatch.setattr(
            time_plan, "measure_speed", lambda *_: nullcontext(_speed(settings))
        )
        said = []
        now = time.monotonic()
        return time_plan.choose_sizes(settings, given, now, said.append), *said

    return choose


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"algorithm": "hyperband"},
        {"given": {"limit", "epochs"}, "epochs": 3, "baseline": False},
    ],
)
def test_a_time_that_holds_too_little_is_refused(chosen, options):
    """And the time that is named instead is enough."""
    with pytest.raises(
        SettingsError, match=r"--in must have time for 12 trials.* Got 1 s.* 0 trials\."
    ) as refused:
        chosen(in_s=1.0, **options)
    named = re.search(r"Give --in (\w+), or fewer trials with -n", str(refused.value))
    _, said = chosen(in_s=parse_duration(named[1]), **options)
    assert 12 <= int(re.search(r"about (\d+) trials", said)[1]) <= 16


@pytest.mark.parametrize(
    ("options", "trials"),
    [
        ({"max_trials": 14}, 14),
        ({"max_trials": 30, "algorithm": "hyperband"}, 23),  # its plan and the recipe
        ({"max_trials": 100, "space": "eight"}, 7),  # and the baseline
    ],
)
def test_a_plan_says_no_more_trials_than_there_can_be(
    chosen, tmp_path, options, trials
):
    """What was given, Hyperband's plan and a small space each bound it."""
    if options.get("space"):
        path = tmp_path / "eight.py"
        path.write_text(EIGHT, encoding="utf-8")
        options |= {"space": str(path)}
    settings, said = chosen({"max_trials"}, in_s=1e6, **options)
    assert f"about {trials} trials" in said
    assert settings.max_trials == options["max_trials"]
    assert settings.limit is None  # all images, as without --in


def test_a_space_of_few_points_needs_no_more_trials_than_that(chosen, tmp_path):
    (tmp_path / "eight.py").write_text(EIGHT, encoding="utf-8")
    _, said = chosen(space=str(tmp_path / "eight.py"), in_s=900.0)
    assert "about 7 trials" in said


@pytest.mark.parametrize(
    ("in_s", "algorithm", "trials"),
    [(60.0, "random", 12), (150.0, "random", 30), (150.0, "hyperband", 12)],
)
def test_a_longer_time_has_more_trials(tmp_path, in_s, algorithm, trials):
    """What was chosen for a study of a minute goes on for as long as is asked now."""
    began = {"in_s": 60.0, "max_trials": 12, "limit": 500, "epochs": 3}
    began = StudySettings("architecture", algorithm=algorithm, **began)
    folder = studies.write_study(tmp_path, n=1, settings=began.to_dict())
    asked = StudySettings("architecture", algorithm=algorithm, in_s=in_s)

    found = time_plan.stored_sizes(asked, folder, set_by_user=())
    assert (found.max_trials, found.limit, found.epochs) == (trials, 500, 3)
    assert found.in_s == in_s


def test_a_study_begun_without_a_time_gets_none(tmp_path):
    """Or its own plan would be lost from its page."""
    began = StudySettings("architecture", max_trials=8)
    folder = studies.write_study(tmp_path, "mine", n=1, settings=began.to_dict())
    asked = StudySettings("architecture", in_s=60.0)
    with pytest.raises(SettingsError, match="mine was begun without it"):
        time_plan.stored_sizes(asked, folder, set_by_user=())


def test_the_smallest_difference_has_80_percent_power():
    """By the normal test of n paired answers of which a quarter differ."""
    n, effect = 10_000, time_plan.smallest_difference(10_000)
    z = effect / math.sqrt(0.25 / n)
    assert stats.norm.sf(stats.norm.ppf(0.975) - z) == pytest.approx(0.8, abs=0.01)


def test_a_training_is_its_steps_its_evaluations_and_its_start():
    sizes = Sizes(900, 100, 200)
    assert sizes.of(500) == Sizes(450, 50, 200)
    each = Timing(train_s=0.01, evaluate_s=0.001, start_s=3.0)
    assert training_seconds(each, sizes, 2) == pytest.approx(
        3 + 18 + 0.001 * (200 + 400)
    )


def test_what_was_not_timed_follows_by_its_arithmetic():
    """Times are a line in the multiply-adds, never below nothing."""
    timed = [(x, Timing(1e-3 + 2e-9 * x, 1e-9 * x, 2.0)) for x in (1e6, 2e6, 9e6)]
    found = timing._prediction(timed)(4e6)
    assert found.train_s == pytest.approx(9e-3)
    assert found.evaluate_s == pytest.approx(4e-3)
    assert found.start_s == pytest.approx(2.0)
    alike = timing._prediction([(1.0, Timing(x, x, x)) for x in (1.0, 3.0)])(1.0)
    assert alike.train_s == pytest.approx(2.0)
    falling = [(1e6, Timing(2e-3, 1e-3, 1.0)), (2e6, Timing(1e-3, 1e-3, 1.0))]
    assert timing._prediction(falling)(9e9).train_s >= 0


def test_an_estimate_is_of_the_configs_that_will_be_trained():
    """Random search's are known before it begins; the timed ones are its first."""
    settings = StudySettings(space="architecture", dataset="digits", max_trials=7)
    data = digits()
    plan = plan_study(settings).fitted(Limits(), data.input_shape, 10)
    first = plan.first_configs(Limits(), data.input_shape, 10, wanted=60)
    assert len(first) == 7
    again = plan.first_configs(Limits(), data.input_shape, 10, wanted=3)
    assert again == first[:3]


def test_in_goes_with_neither_a_limit_nor_the_published():
    with pytest.raises(SettingsError, match="Remove one of them"):
        StudySettings(space="architecture", in_s=60.0, time_limit_s=60.0)
    with pytest.raises(SettingsError, match="--in"):
        StudySettings(space="published", in_s=60.0)


def test_a_plan_says_what_it_does_not_count():
    dry = dry_run.DryRun(
        PlanRecord(1, 5), (), 9, "CPU", "float32", 2, seconds=60.0, timed=6
    )
    asked = StudySettings("architecture")
    said = "Plan      random search, up to 1 trial and 5 epochs in all"
    assert dry_run.lines(dry, asked)[1] == f"{said}, plus the baseline"
    assert dry_run.lines(dry, replace(asked, baseline=False))[1] == said
    nine = dry_run.lines(
        dry._replace(plan=PlanRecord(8, 5)), StudySettings("published")
    )[1]
    assert nine == "Plan      9 experiments, 5 epochs"


def test_an_estimate_is_never_longer_than_the_time_that_was_asked_for():
    dry = dry_run.DryRun(
        PlanRecord(18, 90), (), 9, "CPU", "float32", 2, seconds=2580.0, timed=6
    )
    asked = StudySettings("architecture", in_s=1800.0)
    *_, estimate, rest = dry_run.lines(dry, asked)
    assert estimate == "Estimate  about 30m, from timing 6 configs for a few steps"
    assert "every trial would take 43m" in rest
    assert "about 43m" in dry_run.lines(dry, StudySettings("architecture"))[-1]
