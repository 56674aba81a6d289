"""The terminal: a live line per running trial, a permanent one per finished trial."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TextIO

from tuner.data.dataset import Dataset
from tuner.study import words
from tuner.study.candidates import Candidate
from tuner.study.folder import Study
from tuner.study.ranking import best_first, score
from tuner.study.records import TrialRecord
from tuner.study.tasks import EpochEnd, Ready
from tuner.system import numbers

if TYPE_CHECKING:
    from tuner.search.workload import Workload

_WIDTH = 80
_LIVE_LINES = 8
_SOON_S = 20.0  # drawing the page slows training for a few seconds
_QUARTER_OF_AN_HOUR = 900.0


class Terminal:
    """Show a session on stderr.

    On a terminal, every running trial has a live line at the bottom. In a log, every
    line is permanent and starts with the time.

    Args:
        verbosity: 0 for one line per trial, -1 for nothing, 1 for every epoch too.
        refresh: Redraws the page. Called after a trial has ended, while others train,
            until it returns True: the page will show that trial. None without a page.
        stream: Where to write.
    """

    def __init__(
        self,
        verbosity: int = 0,
        refresh: Callable[[], bool] | None = None,
        stream: TextIO | None = None,
    ) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty() and verbosity >= 0
        self._verbosity = verbosity
        self._refresh = refresh
        self._has_news = False  # for the page
        self._running: dict[int, str] = {}  # the live lines, by trial
        self._drawn = 0  # live lines on the screen, the cursor in the last
        self._workers = 1
        self._data_line = ""
        self._study: Study | None = None
        self._work: Workload | None = None
        self._ends: float | None = None  # on the monotonic clock

    def data_loaded(self, data: Dataset) -> None:
        """Keep the text of the second line."""
        self._data_line = (
            f"Data  {data.name}  {len(data.train):,} train / "
            f"{len(data.validation):,} validation / {len(data.test):,} test"
        )
        if self._live:
            self._put(" > loading Keras")

    def study_opened(
        self,
        study: Study,
        ready: Ready,
        work: Workload,
        *,
        resumed: bool,
        ends: float | None = None,
    ) -> None:
        """Write the plan, the data and the device, and how to stop and resume."""
        self._study, self._work, self._workers = study, work, ready.workers
        self._ends = ends
        self._say(f"Study {study.name}   {_plan(study)}")
        mixed = ", bfloat16" * (study.record.settings.precision == "bfloat16")
        self._say(f"{self._data_line}   Device  {ready.device}{mixed}")
        if ready.note:
            self._say(f"Runs  {ready.note}")
        brackets = study.record.plan.brackets
        for line in words.brackets(brackets):
            self._say("  " + line)
        if brackets:
            self._say(
                "  The algorithm sets the epochs; the space does not search them."
            )
        settings = study.record.settings
        if settings.audit:
            configs = words.several(settings.audit, "eliminated config")
            self._say(f"  Then the audit fully trains {configs}.")
        if settings.base_study:
            self._say(f"Trial 0 is the best trial of study {settings.base_study}.")
        if settings.enqueue:
            configs = words.several(len(settings.enqueue), "enqueued config")
            self._say(f"Training the {configs} first.")
        if resumed:
            done = sum(t.status != "running" for t in study.trials.values())
            self._say(f"Resuming after {words.several(done, 'finished trial')}.")
        for path in study.quarantined:
            self._say(
                f"{path.name} could not be read. It is kept as .broken, and its trial "
                "runs again."
            )
        if self._refresh:
            self._say(f"Live report  {study.folder / 'report.html'}")
        self._say("Ctrl-C stops and keeps finished trials; the same command resumes.")
        self._say("val: validation accuracy in %; gap: train minus test, in points.")
        self._say("")

    def trial_started(self, trial: TrialRecord) -> None:
        """Show the trial's live line."""
        self._show_live(trial, "starting")
        self._tell_the_page()

    def epoch_ended(self, trial: TrialRecord, event: EpochEnd) -> None:
        """Update the trial's live line."""
        metrics, objective = event.metrics, self._opened().objective
        text = f"train {words.points(metrics.get('accuracy'))}"
        if "val_accuracy" in metrics:
            value = metrics.get(objective.name)
            text = words.validation(objective, metrics["val_accuracy"], value)
        text = f"epoch {event.epoch}/{trial.rungs[-1].epochs}  {text}"
        if self._verbosity > 0:
            self._say_line(f"   {self._label(trial)} {text}   {self._outlook()}")
        self._show_live(trial, text)
        self._tell_the_page()

    def trial_ended(self, trial: TrialRecord) -> None:
        """Write the trial's permanent line once all its seeds are trained."""
        study = self._opened()
        self._running.pop(trial.trial, None)
        if self._gets_more_seeds(trial):
            self._put(self._wiped() + self._live_text())
        elif trial.status == "failed":
            self._say_line(f"  {self._label(trial)} failed: {trial.error}")
        else:
            ranked = best_first(study.trials.values(), study.record.settings)
            is_best = len(ranked) > 1 and ranked[0].trial == trial.trial
            mark = "  * best" if is_best and not self._has_candidates else ""
            self._say_line(f"  {self._label(trial)} {self._result(trial)}", mark)
        if trial.trial == 0 and not self._gets_more_seeds(trial):
            self._say_time_of_remaining_trials()
        self._has_news = self._refresh is not None

    def _tell_the_page(self) -> None:
        """Redraw the page, except near the end, when it is redrawn anyway."""
        if not self._has_news or not self._refresh:
            return
        left = self._seconds_left()
        if left is None or left > _SOON_S:
            self._has_news = not self._refresh()

    @property
    def has_study(self) -> bool:
        """Whether this session has opened its study."""
        return self._study is not None

    def note(self, text: str) -> None:
        """Write something a user should know."""
        self._say(text)

    def finish(self) -> None:
        """Wipe the live lines."""
        self._running.clear()
        self._put(self._wiped())

    def _result(self, trial: TrialRecord) -> str:
        seconds = sum(e.seconds for e in trial.executions)
        train, test = score(trial, "train_accuracy"), score(trial, "test_accuracy")
        gap = train - test if train is not None and test is not None else None
        validation = score(trial, "val_accuracy")
        shown = ("test", test) if validation is None else ("val", validation)
        objective = self._opened().objective
        chosen_by = ""
        if not objective.is_accuracy and validation is not None:
            value = numbers.number(score(trial, objective.name), 4)
            chosen_by = f"{objective.name} {value}  "
        config = words.trial(trial, self._opened().record.space)
        if self._is_final:
            config = trial.name or ""
        elif self._has_candidates:
            config = f"{words.several(len(trial.executions), 'seed')}   {trial.name}"
        if self._opened().record.plan.brackets:  # the end of a rung
            config = f"epoch {trial.rungs[-1].epochs}  {config}"
        return (
            f"{chosen_by}{shown[0]} {words.points(shown[1]):>4}"
            f"  gap {words.points(gap, signed=True):>5}"
            f"  {numbers.duration(seconds):>6}   {config}"
        )

    def _gets_more_seeds(self, trial: TrialRecord) -> bool:
        """Whether the trial's next seed is still to train."""
        seeds = self._opened().record.settings.seeds(trial.trial)
        return trial.status == "completed" and len(trial.executions) < seeds

    def _label(self, trial: TrialRecord) -> str:
        if self._is_final:
            return "final"
        if trial.trial == 0:
            return " base"
        record = self._opened().record
        if record.settings.in_s:  # time ends the search, not the number of trials
            return f"{trial.trial:>5}"
        return f"{trial.trial:>2}/{record.plan.trials}"

    @property
    def _has_candidates(self) -> bool:
        return bool(self._opened().record.settings.candidates)

    @property
    def _is_final(self) -> bool:
        return self._opened().record.settings.kind == "final"

    def _outlook(self) -> str:
        study = self._opened()
        parts = []
        ranked = best_first(study.trials.values(), study.record.settings)
        if ranked:
            objective = study.objective
            best = words.points(score(ranked[0], "val_accuracy"))
            if not objective.is_accuracy:
                best = numbers.number(score(ranked[0], objective.name), 4)
            parts.append(f"best {best} (trial {ranked[0].trial})")
        left = self._seconds_left()
        if left:
            parts.append(f"about {words.about(left)} left")
        return "   ".join(parts)

    def _say_time_of_remaining_trials(self) -> None:
        left = self._seconds_left()
        if not left or self._ends is not None:
            return
        self._say(f"  The remaining trials will take about {words.about(left)}.")
        if left > _QUARTER_OF_AN_HOUR:
            self._say(
                "  For a smaller first study, press Ctrl-C and add to the command:"
            )
            self._say("  --in 15m --name NAME")

    def _seconds_left(self) -> float | None:
        """Estimate the time to the end of the search, or None if unknown."""
        if self._ends is not None:
            return max(0.0, self._ends - time.monotonic())
        left = self._work and self._work.seconds_left(self._opened().trials.values())
        return left / self._workers if left else None

    def _opened(self) -> Study:
        assert self._study is not None, "study_opened comes first"  # noqa: S101
        return self._study

    def _say(self, text: str) -> None:
        """Write permanent text, wrapped on a terminal."""
        if self._verbosity >= 0:
            width = _WIDTH if self._stream.isatty() else None
            self._write(_wrapped(text, width))

    def _say_line(self, text: str, ending: str = "") -> None:
        """Write a trial's permanent line, cut to the width of a terminal."""
        if self._verbosity >= 0:
            if self._stream.isatty():
                text = _cut(text, _WIDTH - len(ending))
            self._write([text + ending])

    def _write(self, lines: list[str]) -> None:
        """Write permanent lines above the live ones."""
        now = ""
        if not self._stream.isatty():
            now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S  ")
            lines = [line for line in lines if line]
        text = "".join(f"{now}{line}\n" for line in lines)
        self._put(self._wiped() + text + self._live_text())

    def _show_live(self, trial: TrialRecord, text: str) -> None:
        self._running[trial.trial] = f"{self._label(trial)} {text}"
        self._put(self._wiped() + self._live_text())

    def _live_text(self) -> str:
        """Return a line per running trial; the last also has the outlook."""
        lines = list(self._running.values())
        if not lines or not self._live:
            return ""
        if len(lines) > _LIVE_LINES:
            hidden = len(lines) - _LIVE_LINES + 1
            lines = [*lines[: _LIVE_LINES - 1], f"and {hidden} more trials"]
        lines[-1] += f"   {self._outlook()}"
        self._drawn = len(lines)
        return "\n".join(" > " + _cut(line, _WIDTH - 4) for line in lines)

    def _wiped(self) -> str:
        """Return the codes that wipe the live lines and return to the first of them."""
        up = f"\x1b[{self._drawn - 1}A" if self._drawn > 1 else ""
        self._drawn = 0
        return f"\r{up}\x1b[J" if self._live else ""

    def _put(self, text: str) -> None:
        """Write everything in one call, so that nothing flickers."""
        if text:
            self._stream.write(text)
            self._stream.flush()


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"


def _wrapped(text: str, width: int | None) -> list[str]:
    """Split into lines of at most `width`; a longer word gets a line of its own."""
    lines = text.split("\n")
    if width is None:
        return lines
    wrapper = textwrap.TextWrapper(
        width, break_long_words=False, break_on_hyphens=False
    )
    return [part for line in lines for part in wrapper.wrap(line) or [""]]


def _candidates(candidates: Sequence[Candidate]) -> str:
    """Return how many configs are trained on how many seeds."""
    first, *others = candidates
    seeds = max(candidate.seeds for candidate in candidates)
    configs = words.several(len(others), "config")
    against = f"{configs} against {first.name}, " if others else f"{first.name}, "
    split = "with its own split" if seeds == 1 else "each with its own split"
    return f"{against}{words.several(seeds, 'seed')}, {split}"


def _plan(study: Study) -> str:
    """Return the plan in one line."""
    record = study.record
    settings, plan = record.settings, record.plan
    if settings.kind == "final":
        epochs = words.several(settings.epochs or 0, "epoch")
        return f"{settings.candidates[0].name} on all training images, {epochs}"
    if settings.candidates:
        return _candidates(settings.candidates)
    if record.space.is_published:
        return f"the {(plan.trials or 0) + 1} published experiments"
    search = settings.search_algorithm.label
    if plan.brackets:
        return (
            f"{search}, {plan.trials} configs, {plan.epochs:,} epochs in "
            f"{len(plan.brackets)} brackets"
        )
    each = words.several(settings.epochs or 0, "epoch")
    if record.space.draws_epochs:
        each = "the epochs that fit draws"
    for h in record.space.hyperparameters:
        if h.name == "epochs":
            ends = (h.min, h.max) if h.choices is None else sorted(h.choices)
            each = f"{ends[0]} to {ends[-1]} epochs"
    if settings.patience:
        each += f", patience {settings.patience}"
    if settings.in_s:
        return f"{search} for {words.about(settings.in_s)}, trials of {each}"
    return f"{search}, up to {words.several(plan.trials or 0, 'trial')} of {each}"
