"""Main effects of hyperparameters: against references, and against a known truth."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import studies
from scipy.stats import studentized_range
from statsmodels.stats.multicomp import pairwise_tukeyhsd

from reports.pages import study as page
from reports.read.hyperparameters import Hyperparameter
from reports.read.study import StudyFrames, read_study
from reports.stats.effects import effects, note, rows
from reports.stats.ranking import Ranking, rank

HYPERPARAMETERS = (
    Hyperparameter("learning_rate", 1e-4, 1e-2, log=True),
    Hyperparameter("dropout", 0.0, 0.5),
    Hyperparameter("batch_size", choices=(16, 32, 64, 128)),
    Hyperparameter("optimizer", choices=("adam", "sgd", "rmsprop")),
    Hyperparameter("batch_norm", choices=(True, False)),
)
STEPS = {"adam": 0.0, "sgd": -0.04, "rmsprop": 0.01}


def _configs(rng, n):
    drawn = {
        "learning_rate": 10 ** rng.uniform(-4, -2, n),
        "dropout": rng.uniform(0, 0.5, n),
        "batch_size": rng.choice([16, 32, 64, 128], n),
        "optimizer": rng.choice(["adam", "sgd", "rmsprop"], n),
        "batch_norm": rng.choice([True, False], n),
    }
    index = pd.Index(range(1, n + 1), name="trial")
    return pd.DataFrame(drawn, index=index).astype("object")


def _study(configs, scores, searched=HYPERPARAMETERS, **settings):
    """Put trials into a study's frames, without a folder; trial 0 is not among them."""
    empty = pd.DataFrame()
    record = studies.study_record("s", settings={**studies.SETTINGS, **settings})
    study = StudyFrames(
        Path(), record, "completed", empty, empty, empty, configs, tuple(searched)
    )
    trials = pd.DataFrame({"trial": configs.index, "objective": scores})
    return study, Ranking(trials, trials, None, 0, 0, by_validation=True)


def _by_name(found):
    return {e.name: e for e in found.estimated}


@pytest.mark.parametrize("wider", ["usual", "HC3"])
def test_a_number_has_the_wider_interval_of_least_squares(wider):
    """Statsmodels fits the same line, with usual and HC3 errors, at the same level."""
    rng = np.random.default_rng(0)
    configs = _configs(rng, 15)
    away = np.abs(np.linspace(-0.1, 0.1, 15))  # scores scatter there, or in the middle
    spread = away if wider == "HC3" else 0.1 - away
    configs = configs.sort_values("dropout").set_axis(configs.index)
    scores = rng.normal(0.6, spread, 15)
    found = effects(*_study(configs, scores))
    assert found.level == pytest.approx(0.99)
    chosen = {}
    for name, change in [("learning_rate", np.log), ("dropout", np.asarray)]:
        x = change(configs[name].to_numpy("float64"))
        model = sm.OLS(scores, sm.add_constant(x))
        fits = {"usual": model.fit(), "HC3": model.fit(cov_type="HC3", use_t=True)}
        chosen[name] = max(fits, key=lambda kind: fits[kind].bse[1])
        fit = fits[chosen[name]]
        seen = _by_name(found)[name]
        expected = [fit.params[1], *fit.conf_int(alpha=0.01)[1]]
        reach = np.ptp(x)
        assert [seen.value, seen.low, seen.high] == pytest.approx(
            [v * reach for v in expected]
        )
    assert chosen["dropout"] == wider


@pytest.mark.parametrize("scattered", ["sgd", "rmsprop"])
def test_a_category_has_tukeys_interval(scattered):
    """Statsmodels gives it for the highest and the lowest mean, and the HC3 error."""
    rng = np.random.default_rng(9)
    configs = _configs(rng, 18)
    spread = np.where(configs["optimizer"] == scattered, 0.05, 0.005)
    steps = configs["optimizer"].map({"sgd": 0.0, "rmsprop": 0.2, "adam": 0.4})
    scores = (steps + rng.normal(0.3, spread)).to_numpy("float64")
    seen = _by_name(effects(*_study(configs, scores)))["optimizer"]
    names = configs["optimizer"].astype(str)
    table = pairwise_tukeyhsd(scores, names, alpha=0.01)
    at = np.abs(table.meandiffs).argmax()
    usual = np.ptp(table.confint[at]) / 2
    dummies = pd.get_dummies(names, dtype=float)
    fit = sm.OLS(scores, dummies.to_numpy()).fit(cov_type="HC3", use_t=True)
    weights = (dummies.columns == seen.end).astype(float)
    weights -= dummies.columns == seen.start
    q = studentized_range.ppf(0.99, 3, 15) / np.sqrt(2)
    robust = float(q * fit.t_test(weights).sd.squeeze())
    assert (robust > usual) == (scattered in {seen.start, seen.end})
    assert (seen.start, seen.end) == ("sgd", "adam")
    assert seen.value == pytest.approx(abs(table.meandiffs[at]))
    assert (seen.high - seen.low) / 2 == pytest.approx(max(usual, robust), rel=1e-3)


def test_intervals_hold_together_for_a_known_truth():
    """All effects of a study are covered in 95 % of studies, the others varying."""
    rng = np.random.default_rng(2)
    n, runs, whole = 12, 250, 0
    for _ in range(runs):
        configs = _configs(rng, n)
        x = np.log(configs["learning_rate"].astype("float64"))
        z = configs["dropout"].astype("float64")
        mean = 0.6 + 0.02 * x - 0.1 * z + configs["optimizer"].map(STEPS)
        found = effects(*_study(configs, mean + rng.normal(0, 0.02, n)))
        truth = {
            "learning_rate": 0.02 * np.ptp(x),
            "dropout": -0.1 * np.ptp(z),
            "batch_size": 0.0,
            "batch_norm": 0.0,
        }
        for e in found.estimated:
            if e.name == "optimizer":
                truth[e.name] = STEPS[e.end] - STEPS[e.start]
        whole += all(e.low <= truth[e.name] <= e.high for e in found.estimated)
    error = np.sqrt(0.05 * 0.95 / runs)
    assert whole / runs >= 0.95 - 3 * error


@pytest.mark.parametrize(
    ("n", "kind"), [(10, "normal"), (10, "some diverge"), (18, "long left tail")]
)
def test_scores_that_depend_on_nothing_show_nothing(n, kind):
    """Fewer than one page in twenty has a false finding."""
    rng = np.random.default_rng(3)
    runs, wrong = 200, 0
    for _ in range(runs):
        scores = rng.normal(0.6, 0.02, n)
        if kind == "some diverge":
            scores = np.where(rng.random(n) < 0.15, 0.1, scores)
        if kind == "long left tail":
            scores = 0.7 - 0.05 * rng.lognormal(0, 1, n)
        found = effects(*_study(_configs(rng, n), scores))
        wrong += any(e.word() != "inconclusive" for e in found.estimated)
    assert wrong / runs <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)


def test_a_hyperparameter_that_changes_only_the_scatter_is_inconclusive():
    """Usual errors alone had a false finding on one page in ten."""
    rng = np.random.default_rng(8)
    runs, wrong, hyperparameters = 500, 0, HYPERPARAMETERS[1:2]
    for _ in range(runs):
        configs = _configs(rng, 12)
        spread = np.where(configs["dropout"] > 0.35, 0.05, 0.01)
        scores = rng.normal(0.6, spread)
        found = effects(*_study(configs, scores, hyperparameters))
        wrong += found.estimated[0].word() != "inconclusive"
    assert wrong / runs <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)


def test_what_scores_depend_on_is_shown():
    """A line falls, a category differs, and the rest is inconclusive."""
    rng = np.random.default_rng(4)
    configs = _configs(rng, 19)
    steps = configs["optimizer"].map({"adam": 0.0, "sgd": -0.3, "rmsprop": 0.0})
    scores = 0.6 - 0.2 * configs["dropout"].astype("float64") + steps
    found = _by_name(effects(*_study(configs, scores + rng.normal(0, 0.01, 19))))
    assert found["optimizer"].word() == "differs"
    assert found["optimizer"].start == "sgd"
    only = configs[configs["optimizer"] != "sgd"]
    kept = scores[only.index] + rng.normal(0, 0.001, len(only))
    assert _by_name(effects(*_study(only, kept)))["dropout"].word() == "falls"


def test_the_baseline_and_what_was_enqueued_are_left_out():
    """Nobody drew them."""
    rng = np.random.default_rng(5)
    study, ranking = _study(
        _configs(rng, 14), rng.normal(0.6, 0.05, 14), enqueue=[1] * 3
    )
    assert effects(study, ranking).trials == 11
    assert all(e.trials <= 11 for e in effects(study, ranking).estimated)


def test_too_little_to_go_by_is_refused():
    """Few trials, a value of one trial alone, and 0 on a log scale."""
    rng = np.random.default_rng(6)
    few = effects(*_study(_configs(rng, 7), rng.normal(0.6, 0.05, 7)))
    assert not few.estimated
    assert len(few.refused) == len(HYPERPARAMETERS)
    configs = _configs(rng, 12)
    configs["optimizer"] = ["sgd"] + ["adam"] * 11
    configs["dropout"] = [0.1, 0.2, 0.3] + [None] * 9
    configs.loc[1, "learning_rate"] = 0.0
    configs["batch_size"] = [16] + [32] * 11
    found = effects(*_study(configs, rng.normal(0.6, 0.05, 12)))
    assert set(found.refused) == {"optimizer", "dropout", "batch_size"}
    assert _by_name(found)["learning_rate"].trials == 11
    assert effects(*_study(_configs(rng, 20), rng.normal(0.6, 0.05, 20))) is None


def test_equal_scores_show_nothing():
    """No variance at all is no finding."""
    configs = _configs(np.random.default_rng(7), 12)
    found = effects(*_study(configs, np.full(12, 0.6)))
    assert found.estimated
    assert {e.word() for e in found.estimated} == {"inconclusive"}


@pytest.mark.parametrize("objective", ["val_accuracy", "val_loss"])
def test_the_page_says_what_it_cannot_tell(tmp_path, objective):
    """A small table, in points or plain, and that other hyperparameters vary too."""
    settings = {**studies.SETTINGS, "algorithm": "bayesian"}
    settings["objective"] = objective
    folder = studies.write_study(tmp_path, n=14, space="hyperparams", settings=settings)
    study = read_study(folder)
    html = page.report_html(study)
    found = effects(study, rank(study))
    table = re.search(
        'aria-label="Main effects of the hyperparameters">(.*?)</table>',
        html,
        re.DOTALL,
    )
    assert table
    assert table[1].count("<tr>") == 1 + len(found.estimated)
    assert (">Points<" in table[1]) == (objective == "val_accuracy")
    for row in rows(study, found):
        assert f"<td>{row.start}</td><td>{row.end}</td>" in table[1]
    assert "All other hyperparameters vary at the same time" in html
    assert "did not draw its trials at random" in note(study, found)


def test_a_study_with_trials_enough_has_importance_instead(tmp_path):
    """No table from 20 trials on."""
    folder = studies.write_study(tmp_path, n=24, space="hyperparams")
    assert "Main effects" not in page.report_html(read_study(folder))
