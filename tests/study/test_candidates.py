"""Promises of given configs on fresh seeds: what is asked, spent and said."""

from __future__ import annotations

import json

import numpy as np
import pytest
import studies
from arithmetic import Arithmetic, Interrupt, facts_of, session
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from reports.pages import fresh_seeds as results
from reports.pages.study import report_html
from reports.read.study import read_study
from reports.stats.analysis import Analysis
from reports.stats.differences import compare
from search_spaces.config import BASELINE, CnnConfig
from search_spaces.errors import UsageError
from tuner.cli.candidates import changed, known_candidates, settings_for
from tuner.cli.main import cli
from tuner.study.candidates import AUTO, Candidate, look
from tuner.study.folder import Study
from tuner.study.settings import SettingsError, StudySettings

FIRST = Candidate("baseline", BASELINE.to_dict(), {})


def _settings(candidates, kind="try"):
    return settings_for(kind, candidates, StudySettings("combined"), {})


def test_a_time_that_a_search_was_planned_for_does_not_bind_what_follows():
    """`--in 15m` was for the search; its finalists are trained to the end."""
    searched = StudySettings("combined", in_s=900.0)
    assert settings_for("confirm", [FIRST], searched, {}).in_s is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (["filters=48"], {"filters": (48,)}),
        (["filters=32,64"], {"filters": (32, 64)}),
        (["conv_layers=3"], {"filters": (32, 32, 32)}),
        (["conv_layers=2", "filters=16"], {"filters": (16, 16)}),
        (["conv_layers=2", "filters_2=64"], {"filters": (32, 64)}),
        (["filters_1=8"], {"filters": (8,)}),
        (["units=256,64"], {"units": (256, 64)}),
        (["dense_layers=0"], {"units": ()}),
        (["dropout=0.3", "epochs=7"], {"dropout": 0.3, "epochs": 7}),
        (["pooling=max"], {"pooling": "max"}),
        (
            ["optimizer=sgd", "batch_norm=true"],
            {"optimizer": "sgd", "batch_norm": True},
        ),
    ],
)
def test_a_change_is_read_as_it_is_meant(changes, expected):
    """A size is every layer's; added layers have the last one's."""
    first, candidate = changed(BASELINE, changes, "baseline")
    assert CnnConfig.from_dict(first.config) == BASELINE
    assert candidate.name == " ".join(changes)
    config = CnnConfig.from_dict(candidate.config)
    assert {name: getattr(config, name) for name in expected} == expected
    assert set(candidate.values) <= set(candidate.config)


@pytest.mark.parametrize(
    "changes",
    [
        ["filters"],
        ["filters="],
        ["=3"],
        ["filtres=3"],
        ["filters=banana"],
        ["filters=0"],
        ["dropout=2"],
        ["filters_2=64"],
        ["conv_layers=x"],
        ["conv_layers=17"],
        ["filters=32"],
        ["pooling=median"],
        ["pool_size=3"],  # of no pooling
    ],
)
def test_a_change_that_cannot_be_is_refused(changes):
    """The text says what must hold, which names there are, or that nothing changes."""
    with pytest.raises(SettingsError, match="must|Known:|Give every"):
        changed(BASELINE, changes, "baseline")


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_looks_only_ever_add_seeds(numbers):
    """The error rate that is spent grows with every look and stays under 5 %."""
    other = Candidate("other", {**BASELINE.to_dict(), "epochs": 9}, {})
    candidates = []
    for number in numbers:
        candidates = look(candidates, [FIRST, other], number)
    looks = candidates[1].looks
    assert list(looks) == sorted(set(looks))
    assert candidates[1].seeds == max(numbers)
    assert candidates[0].seeds == candidates[1].seeds
    assert sum(0.05 / 2 ** (i + 1) for i in range(len(looks))) < 0.05


def test_all_arms_stand_against_one_config():
    """A study with another candidate 0 says what to do."""
    with pytest.raises(UsageError, match="--name"):
        look(
            [FIRST],
            [Candidate("best of a", {**BASELINE.to_dict(), "epochs": 9}, {})],
            3,
        )


def test_what_is_tried_later_joins_what_was(tmp_path):
    """Only the candidate that is asked for, and candidate 0, get more seeds."""
    folder = tmp_path / "tried"
    first = look([], changed(BASELINE, ["filters=8"], "baseline"), 3)
    session(folder, Arithmetic(), _settings(first))
    second = look(
        stored_candidates(first), changed(BASELINE, ["units=8"], "baseline"), 5
    )
    workers = Arithmetic()
    session(folder, workers, _settings(second))
    trials = Study.open(folder).trials
    assert {n: len(t.executions) for n, t in trials.items()} == {0: 5, 1: 3, 2: 5}
    assert {t for t, *_ in workers.trained} == {0, 2}, "nothing is trained twice"


def stored_candidates(candidates):
    """Read candidates back as a study's record has them."""
    stored = json.loads(json.dumps(_settings(candidates).to_dict()))
    return list(StudySettings.from_dict(stored).candidates)


def test_arms_that_die_anywhere_end_as_those_that_do_not(tmp_path):
    """A look that is cut off is the look that was not."""
    candidates = look([], changed(BASELINE, ["epochs=7"], "baseline"), 3)
    session(tmp_path / "whole", Arithmetic(), _settings(candidates))
    for dies_after in range(1, 40, 4):
        folder = tmp_path / str(dies_after)
        try:
            session(folder, Arithmetic(dies_after=dies_after), _settings(candidates))
        except Interrupt:
            session(folder, Arithmetic(count=3), _settings(candidates))
        assert facts_of(folder) == facts_of(tmp_path / "whole")


def test_seeds_are_fresh_and_splits_shared():
    """No training of a search is repeated; seed i's split is every candidate's."""
    search = StudySettings("combined")
    of_arms = _settings(look([], changed(BASELINE, ["units=8"], "baseline"), 3))
    assert of_arms.training_seed != search.training_seed
    splits = [of_arms.split_seed(i) for i in range(20)]
    assert len(set(splits)) == 20
    assert search.split_seed(0) is None


def test_verdicts_over_looks_are_wrong_at_most_one_time_in_twenty():
    """Two equal configs, looked at after 3, 5, 8 and 12 seeds until one is "better"."""
    rng = np.random.default_rng(0)
    runs, wrong, naive = 400, 0, 0
    for _ in range(runs):
        difficulty = rng.normal(0.9, 1.5, 800)
        luck = rng.normal(0, 0.12, (2, AUTO[-1], 1))
        p = 1 / (1 + np.exp(-(difficulty + luck)))
        ours, theirs = rng.random(p.shape) < p
        spent, always = [], []
        for j, k in enumerate(AUTO, 1):
            for level, seen in ((1 - 0.05 / 2**j, spent), (0.95, always)):
                found = compare(ours[:k], theirs[:k], is_paired=True, level=level)
                seen.append(found.word() in ("better", "worse"))
        wrong += any(spent)
        naive += any(always)
    error = np.sqrt(0.05 * 0.95 / runs)
    assert wrong / runs <= 0.05 + 2 * error
    assert naive > 1.5 * wrong, "looking again and again at 95 % is what this mends"


def test_a_page_and_a_terminal_say_the_same_verdict(tmp_path):
    """Names are text, also hostile ones; the figure and the table are there."""
    name = "filters=8 <script>alert(1)</script>"
    candidates = look([], changed(BASELINE, ["filters=8"], "baseline"), 3)
    candidates = [
        candidates[0],
        Candidate(
            name, candidates[1].config, candidates[1].values, candidates[1].looks
        ),
    ]
    folder = tmp_path / "tried"
    session(folder, Arithmetic(), _settings(candidates))
    _predict(folder, {0: 0.5, 1: 0.62})

    outcome = results.outcome(folder)
    html = report_html(read_study(folder))

    assert outcome.is_settled
    assert outcome.lines[0].startswith(f"{name} is better than the baseline: +12.0")
    assert "<script>alert" not in html
    assert "is better than the baseline: +12.0 points" in html
    assert outcome.better == 1
    assert outcome.seeds_to_settle is None
    assert outcome.facts["candidates"][1]["verdict"] == "better"
    assert outcome.facts["candidates"][1]["level"] == pytest.approx(0.975)
    assert known_candidates(folder)[1].name == name


def test_both_confirmations_are_shown_the_one_on_all_images_first(tmp_path):
    """What is confirmed on a part of the images alone is the weaker evidence."""
    folder = studies.write_study(tmp_path, "searched", n=6)
    studies.write_candidates(folder / "confirm", studies.TRIED, "confirm", 3)
    again = {**studies.TRIED, "filters=48": (CnnConfig(filters=(48,)), 0.7)}
    studies.write_candidates(folder / "confirm-all-images", again, "confirm", 3)

    show = ["show", "searched", "--directory", str(tmp_path)]
    printed = CliRunner().invoke(cli, show).stdout
    html = report_html(read_study(folder))
    found = results.outcome(folder / "confirm-all-images")

    headings = [
        "Trained again on fresh seeds and all images",
        "Trained again on fresh seeds",
    ]
    support = html.partition('class="support">')[2].partition("</p>")[0]
    section = html.partition('id="confirmed"')[2].partition("</section>")[0]
    for text, ending in ((printed, ":\n"), (support, ": "), (section, "</h3>")):
        first, second = (text.index(f"{heading}{ending}") for heading in headings)
        assert first < second
        assert ending == "</h3>" or found.lines[0][:30] in text[first:second]
    assert section.count("Points</th>") == 2
    facts = json.loads(CliRunner().invoke(cli, [*show, "--json"]).stdout)
    assert facts["confirmed_all_images"] == found.facts
    assert facts["confirmed"] == results.outcome(folder / "confirm").facts


def test_what_the_first_has_on_fresh_seeds_is_quoted(tmp_path):
    """Its mean, its spread and its seeds, on the page of the search and on its own."""
    folder = studies.write_study(tmp_path, "searched", n=6)
    inner = studies.write_candidates(folder / "confirm", studies.TRIED, "confirm", 3)
    tests = read_study(inner).executions.groupby("trial")["test_accuracy"]
    mean, sd = 100 * tests.mean()[1], 100 * tests.std()[1]
    said = (
        f"Test accuracy of filters=48: {mean:.1f} %, mean of 3 seeds (standard "
        f"deviation {sd:.2f})."
    )
    for html in (report_html(read_study(folder)), report_html(read_study(inner))):
        support = html.partition('class="support">')[2].partition("</p>")[0]
        assert said in support
        cells = f'<tr><th>filters=48</th><td class="n">{mean:.1f}</td>'
        assert f'{cells}<td class="n">{sd:.2f}</td><td class="n">3</td>' in html


def _predict(folder, accuracies):
    """Write test predictions of a known accuracy, a little apart seed by seed."""
    from tuner.study.record_files import labels_path, predictions_path

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 2000).astype(np.uint8)
    np.savez(labels_path(folder), test=labels)
    for number, trial in Study.open(folder).trials.items():
        for i in range(len(trial.executions)):
            share = accuracies[number] + 0.002 * (i - 1) * (1 if number else -1)
            wrong = rng.permutation(2000) >= round(share * 2000)
            path = predictions_path(folder, number, i)
            np.savez(path, test=np.where(wrong, (labels + 1) % 10, labels))


def test_seeds_count_once_their_look_is_complete(tmp_path):
    """A look that is under way shows the last one, with all candidates in the level."""
    folder = tmp_path / "tried"
    candidates = look([], changed(BASELINE, ["filters=8"], "baseline"), 3)
    session(folder, Arithmetic(), _settings(candidates))
    more = look(candidates, changed(BASELINE, ["filters=8"], "baseline"), 5)
    more = look(more, changed(BASELINE, ["units=8"], "baseline"), 3)
    with pytest.raises(Interrupt):
        session(folder, Arithmetic(dies_after=9), _settings(more))
    _predict(folder, {0: 0.5, 1: 0.62, 2: 0.5})
    counts = [
        len([e for e in t.executions if e.is_final])
        for _, t in sorted(Study.open(folder).trials.items())
    ]
    assert max(counts) > 3

    candidate = results.outcome(folder).facts["candidates"][1]
    assert candidate["level"] == pytest.approx(1 - 0.025 / 2)
    session(folder, Arithmetic(), _settings(more))
    _predict(folder, {0: 0.5, 1: 0.62, 2: 0.5})
    candidate = results.outcome(folder).facts["candidates"][1]
    assert candidate["level"] == pytest.approx(1 - 0.0125 / 2)


def test_the_verdict_is_about_what_was_asked(tmp_path):
    """Another candidate, however far ahead, neither leads nor holds a look up."""
    folder = tmp_path / "tried"
    candidates = look([], changed(BASELINE, ["filters=8"], "baseline"), 3)
    now = changed(BASELINE, ["units=8"], "baseline")
    session(folder, Arithmetic(), _settings(look(candidates, now, 3)))
    _predict(folder, {0: 0.5, 1: 0.51, 2: 0.7})
    asked = results.outcome(folder, [dict(candidate.config) for candidate in now])
    assert asked.lines[0].startswith("units=8 is better than the baseline")
    assert asked.is_settled
    assert not results.outcome(folder).is_settled
    html = report_html(read_study(folder))
    assert (
        "2 changes tried against the baseline: 1 better (units=8) and 1 inconclusive"
        in html
    )


def test_too_few_seeds_count_no_winners(tmp_path):
    """The page's first words keep to what a sentence would say."""
    changes = (changed(BASELINE, [c], "baseline") for c in ("filters=8", "units=8"))
    candidates: list[Candidate] = []
    for change in changes:
        candidates = look(candidates, change, 1)
    folder = tmp_path / "tried"
    session(folder, Arithmetic(), _settings(candidates))
    _predict(folder, {0: 0.5, 1: 0.62, 2: 0.7})
    lead = results.verdict(Analysis(read_study(folder))).lead
    assert "better" not in lead
    assert "2 inconclusive" in lead


def test_a_first_config_that_failed_is_said(tmp_path):
    """Nothing can be set against it, whatever the others have."""
    candidates = look([], changed(BASELINE, ["filters=8"], "baseline"), 1)
    folder = tmp_path / "tried"
    session(folder, Arithmetic(), _settings(candidates))
    path = folder / "trials/0000.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record |= {"status": "failed", "error": "out of memory"}
    path.write_text(json.dumps(record), encoding="utf-8")
    lead = results.verdict(Analysis(read_study(folder))).lead
    assert lead.startswith("Baseline failed: out of memory.")


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_too_few_seeds_give_no_verdict(tmp_path, seeds):
    """One shows two networks, two nothing; three the first verdict."""
    candidates = look([], changed(BASELINE, ["filters=8"], "baseline"), seeds)
    folder = tmp_path / "tried"
    session(folder, Arithmetic(), _settings(candidates))
    _predict(folder, {0: 0.5, 1: 0.62})
    outcome = results.outcome(folder)
    line = outcome.lines[0]
    assert outcome.seeds_to_settle == (None if seeds == 3 else 3)
    said = {1: "two networks, not two configs", 2: "needs 3 seeds", 3: "is better"}
    assert said[seeds] in line
