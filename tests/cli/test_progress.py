"""Promises of the terminal: 80 columns, one line a trial, nothing live in a log."""

from __future__ import annotations

import dataclasses
import io
import re
from types import SimpleNamespace

import pyte
import pytest
import studies

from search_spaces.space import load_space
from tuner.algorithms.hyperband import plan
from tuner.cli.progress import Terminal
from tuner.search.workload import Workload
from tuner.study.descriptions import PlanRecord
from tuner.study.folder import Study
from tuner.study.tasks import EpochEnd, Ready

READY = Ready("CPU, 2 threads", on_gpu=False, versions={})
WORK = Workload(1e12, load_space("architecture"), (32, 32, 3), 10)


class Screen(io.StringIO):
    """A stream that says whether it is a terminal."""

    def __init__(self, *, is_terminal):
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal


def _watch(folder, *, is_terminal, verbosity=0, refresh=None):
    """Show a stored study as if it ran now."""
    study = Study.open(folder)
    screen = Screen(is_terminal=is_terminal)
    terminal = Terminal(verbosity, refresh, screen)
    terminal.study_opened(study, READY, WORK, resumed=True)
    for trial in study.trials.values():
        terminal.trial_started(trial)
        metrics = {"accuracy": 0.5, "val_accuracy": 0.4}
        terminal.epoch_ended(trial, EpochEnd(trial.trial, 0, 1, metrics, 1.0, 1.0))
        terminal.trial_ended(trial)
    terminal.finish()
    return screen.getvalue()


@pytest.fixture
def folder(tmp_path):
    """A study of ten trials, two of them failed."""
    return studies.write_study(
        tmp_path, "a-study-with-a-rather-long-name", n=12, failures=0.2, executions=2
    )


def test_a_terminal_line_is_at_most_80_columns(folder):
    """Live lines too, whatever the config."""
    text = _watch(folder, is_terminal=True)
    lines = re.split(r"[\r\n]", re.sub(r"\x1b\[\d*[AJ]", "", text))
    assert max(map(len, lines)) <= 80
    assert any(line.startswith(" >") for line in lines)


def test_a_log_has_one_timestamped_line_a_trial(folder):
    """No carriage return, no colour."""
    text = _watch(folder, is_terminal=False, refresh=lambda: True)
    assert "\r" not in text
    assert "\x1b" not in text
    assert all(
        re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  ", t) for t in text.splitlines()
    )
    trials = Study.open(folder).trials
    assert len(re.findall(r"gap +[-+]?\d|failed:", text)) == len(trials)
    assert "Live report" in text


def test_the_page_hears_of_a_trial_once_another_trains(folder):
    """Asked until it will show the news; not at the end, where it is drawn anyway."""
    study, answers, asked = Study.open(folder), [False, True], []

    def refresh():
        asked.append(len(asked))
        return answers.pop(0)

    terminal = Terminal(0, refresh, Screen(is_terminal=False))
    terminal.study_opened(study, READY, WORK, resumed=False)
    one, other, *_ = study.trials.values()
    epoch = EpochEnd(other.trial, 0, 1, {"accuracy": 0.5}, 1.0, 1.0)
    terminal.trial_started(one)
    terminal.trial_started(other)
    assert asked == []
    terminal.trial_ended(one)
    for count in (1, 2, 2):
        terminal.epoch_ended(other, epoch)
        assert len(asked) == count
    terminal.trial_ended(other)
    assert len(asked) == 2


def test_quiet_says_nothing_and_verbose_says_every_epoch(folder):
    """-q and -v are the two ends."""
    assert _watch(folder, is_terminal=False, verbosity=-1) == ""
    assert _watch(folder, is_terminal=False, verbosity=1).count("epoch 1/5") == 12


def test_after_trial_0_it_says_what_the_remaining_trials_take(folder):
    """One line; above a quarter of an hour, how to have a first look."""
    text = _watch(folder, is_terminal=False)
    assert text.count("The remaining trials will take about") == 1
    assert "--in 15m" in text


def test_seeds_that_are_added_write_one_line_a_trial(tmp_path):
    """A trial's line comes with the last of its seeds, and not with each."""
    folder = studies.write_candidates(tmp_path / "tried", studies.TRIED, "try", 4)
    study = Study.open(folder)
    settings = study.record.settings
    candidates = tuple(
        dataclasses.replace(c, looks=(2, 4)) for c in settings.candidates
    )
    study.update(settings=dataclasses.replace(settings, candidates=candidates))
    seen = Screen(is_terminal=False)
    terminal = Terminal(0, None, seen)
    terminal.study_opened(study, READY, WORK, resumed=True)
    for seeds in (3, 4):
        for trial in study.trials.values():
            some = dataclasses.replace(trial, executions=trial.executions[:seeds])
            terminal.trial_ended(some)

    assert seen.getvalue().count("4 seeds   ") == len(study.trials)
    assert "3 seeds   " not in seen.getvalue()


def test_hyperbands_brackets_are_spelt_out(tmp_path):
    """Each with its configs and epochs; a lineage's line names its rung."""
    folder = studies.write_hyperband(tmp_path)
    planned = PlanRecord(25, 99, plan(9).brackets)
    Study.open(folder).update(plan=planned)
    text = _watch(folder, is_terminal=False)
    assert re.search(r"bracket 1: \d+ to epoch \d+", text)
    assert re.search(r"gap .* epoch \d+ ", text)


def test_every_running_trial_has_a_line_below_the_finished(folder):
    """As a terminal shows it: no line is left over, none is overwritten."""
    study = Study.open(folder)
    seen = Screen(is_terminal=True)
    terminal = Terminal(0, None, seen)
    ready = dataclasses.replace(READY, workers=3, note="3 trials at a time")
    terminal.study_opened(study, ready, WORK, resumed=False)
    trials = [t for t in study.trials.values() if t.status == "completed"][:3]
    for trial in trials:
        terminal.trial_started(trial)
    metrics = {"accuracy": 0.5, "val_accuracy": 0.4}
    for epoch in (1, 2):
        for trial in trials:
            event = EpochEnd(trial.trial, 0, epoch, metrics, 1.0, 1.0)
            terminal.epoch_ended(trial, event)

    shown = _display(seen.getvalue())
    assert [line[:4] for line in shown[-3:]] == [" >  "] * 3
    assert all("epoch 2/5  val 40.0" in line for line in shown[-3:])
    assert "left" in shown[-1]
    assert "Runs  3 trials at a time" in shown

    terminal.trial_ended(trials[1])
    shown = _display(seen.getvalue())
    assert len([line for line in shown if line.startswith(" > ")]) == 2
    assert len([line for line in shown if re.search(r"gap +[-+]?\d", line)]) == 1

    terminal.finish()
    assert not [line for line in _display(seen.getvalue()) if line.startswith(" > ")]


def test_what_is_left_of_a_given_time_is_the_clocks(folder, monkeypatch):
    """It falls while a training runs, whatever the records say."""
    clock = SimpleNamespace(monotonic=lambda: 1000.0)
    monkeypatch.setattr("tuner.cli.progress.time", clock)
    study = Study.open(folder)
    seen = Screen(is_terminal=True)
    terminal = Terminal(0, None, seen)
    terminal.study_opened(study, READY, WORK, resumed=False, ends=1600.0)
    for now, left in ((1000.0, "10m"), (1300.0, "5m"), (1700.0, None)):
        clock.monotonic = lambda now=now: now
        terminal.trial_started(study.trials[1])
        line = _display(seen.getvalue())[-1]
        assert f"about {left} left" in line if left else "left" not in line


def test_more_trials_than_lines_are_counted(folder):
    """Eight lines at most, the last for the rest."""
    study = Study.open(folder)
    seen = Screen(is_terminal=True)
    terminal = Terminal(0, None, seen)
    terminal.study_opened(study, READY, WORK, resumed=False)
    for trial in study.trials.values():
        terminal.trial_started(trial)

    live = [t for t in _display(seen.getvalue()) if t.startswith(" > ")]

    assert len(live) == 8
    assert live[-1].startswith(f" > and {len(study.trials) - 7} more trials")


def _display(text):
    """Give the lines that a terminal of 80 columns shows after some output."""
    screen = pyte.Screen(80, 60)
    pyte.Stream(screen).feed(text.replace("\n", "\r\n"))
    return [line.rstrip() for line in screen.display if line.strip()]
