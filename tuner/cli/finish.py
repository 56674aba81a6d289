"""`tune finish`: train a search's winner once more, on all images, to hand it over."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tuner.cli.console import (
    FAILED,
    command_line,
    exit_codes,
    fail,
    print_json,
    print_lines,
    say,
)
from tuner.cli.options import Sections, finish_options
from tuner.study import words
from tuner.system.files import FINAL

_FIRST_S = 60.0
_SHORTEST_S = 30.0

if TYPE_CHECKING:
    from reports.pages.final import Final
    from tuner.study.candidates import Candidate
    from tuner.study.folder import Study
    from tuner.study.settings import StudySettings


@click.command(cls=Sections)
@click.argument("study")
@click.argument("trial", type=click.IntRange(0), required=False)
@finish_options
def finish(
    *,
    study: str,
    trial: int | None,
    epochs: int | None,
    within: float | None,
    directory: Path,
    open_page: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a search's winner on all images.

    This trains the best trial by validation (or TRIAL, a trial's number) once more,
    on every training image, those for validation included, with the whole machine.
    tune export STUDY then gives this network. Ctrl-C stops; the same command resumes.
    """
    started = time.monotonic()
    with exit_codes(resumes=True):
        from reports.pages.final import lines
        from tuner.cli import run
        from tuner.cli.candidates import open_search

        source = open_search(directory, study)
        network, problem = train_on_all_images(
            source, trial, epochs=epochs, within=within, started=started, **options
        )
        folder = source.folder / FINAL
        if as_json:
            print_json(final_object(source) or {})
        else:
            print_lines(lines(network))
            done = network.test_accuracy is not None
            next_one = source.command("export") if done else command_line()
            click.echo(f"Next     {next_one}")
            if options["report"] and not problem:
                run.say_where(folder)
        if problem:
            fail(FAILED, problem)
        if network.state != "interrupted" and network.test_accuracy is None:
            fail(FAILED, _why_not(folder, network))
        if options["report"] and open_page:
            click.launch(str(folder / "report.html"))


def train_on_all_images(
    source: Study,
    trial: int | None = None,
    *,
    epochs: int | None = None,
    within: float | None = None,
    started: float | None = None,
    data: str | None = None,
    overwrite: bool = False,
    report: bool = True,
    quiet: bool = False,
    verbose: bool = False,
    **how: Any,
) -> tuple[Final, str | None]:
    """Train a trial's config in the study `STUDY/final`, or resume that training.

    Args:
        source: The search; nothing may be searching it if `trial` is None.
        trial: The trial's number; None for the best by validation.
        epochs: Epochs to train; None for those of the trial, or of the training that
            is resumed.
        within: Seconds that this should take; the epochs are chosen to fit. A
            training that exists keeps its epochs.
        started: When `within` began, on the monotonic clock; None for now.
        data: Where the study's images are now, if they moved.
        overwrite: Move an existing final network aside.
        report: Write the pages.
        quiet: Show no progress.
        verbose: Print a line per epoch.
        how: `device`, `ray` and `trial_timeout`, as the command has them.

    Returns:
        The network, and why the pages could not be written, or None.

    Raises:
        NotAStudyError: There is no such completed trial.
        StudyChangedError: The final network is of another trial or other epochs.
        SettingsError: The options do not fit each other or the study.
    """
    from reports.pages.final import final
    from reports.read.study import read_study
    from tuner.cli import run
    from tuner.cli.candidates import finalist, known_candidates
    from tuner.cli.pages import Pages
    from tuner.export.network import choose_trial

    started = time.monotonic() if started is None else started
    _check(source, trial, epochs, within)
    candidate = finalist(source, choose_trial(source, trial), epochs)
    folder = source.folder / FINAL
    settings = _settings(source, candidate, data, how)
    stored = [] if overwrite else known_candidates(folder)
    if stored:
        candidate = _resumed(source, stored[0], candidate, epochs, within)
    elif within is not None:
        from tuner.search.final_epochs import epochs_within

        chosen = epochs_within(settings, within, started, say)
        candidate = replace(candidate, config={**candidate.config, "epochs": chosen})
    settings = replace(
        settings, candidates=(candidate,), epochs=candidate.config["epochs"]
    )
    with Pages(folder, wanted=report) as pages:
        run.search(
            settings,
            folder,
            overwrite=overwrite,
            pages=pages,
            verbosity=-1 if quiet else int(verbose),
        )
        problem = pages.write()
    return final(read_study(folder)), problem


def reserved(within: float) -> float:
    """Return the seconds of a search with --in that are kept for its winner.

    That is half of the time after the first minute, which starting takes; or nothing
    if that is too short to be of use.
    """
    half = (within - _FIRST_S) / 2
    return half if half >= _SHORTEST_S else 0.0


def finish_in_time(source: Study, *, quiet: bool, verbose: bool) -> None:
    """Train the winner of a search with --in in the time that was kept for it."""
    from tuner.study.folder import StudyChangedError
    from tuner.study.ranking import best_first
    from tuner.study.settings import SettingsError

    settings = source.record.settings
    has_ended = source.record.state == "completed"
    ranked = best_first(source.trials.values(), settings)
    if not (settings.reserved_s and settings.in_s and has_ended and ranked):
        return
    say(f"Trial {ranked[0].trial} is the winner: it now trains on all images.")
    options: dict[str, Any] = {
        "within": settings.in_s - source.record.seconds,
        "device": settings.device,
        "ray": settings.ray,
        "trial_timeout": settings.trial_timeout_s,
        "quiet": quiet,
        "verbose": verbose,
    }
    try:
        try:
            train_on_all_images(source, **options)
        except StudyChangedError:  # the search went on and has another winner
            train_on_all_images(source, overwrite=True, **options)
    except SettingsError as error:
        say(f"{error} tune finish trains the winner later.")


def final_object(source: Study) -> dict[str, Any] | None:
    """Return a search's finished network as plain values, or None if there is none.

    Its `trial` is the number of the trial in the search.
    """
    if not (source.folder / FINAL / "study.json").exists():
        return None
    from reports.pages.final import read_final

    network = read_final(source.folder)
    if network is None:
        return None
    trials = source.trials.items()
    numbers = (n for n, trial in trials if words.candidate(trial) == network.trial)
    return {**network.facts, "trial": next(numbers, None)}


def _check(
    source: Study, trial: int | None, epochs: int | None, within: float | None
) -> None:
    """Refuse what cannot be finished, before anything is loaded."""
    from tuner.study.settings import SettingsError
    from tuner.system import locks

    if epochs is not None and within is not None:
        raise SettingsError(
            "--epochs and --in cannot be combined: --in chooses the epochs. Remove "
            "one of them."
        )
    if trial is None and locks.is_held(source.folder):
        raise SettingsError(
            f"The search must have ended before its best trial is known, and study "
            f"{source.name} is running. Wait for its end, or name a completed trial."
        )
    user_code = source.record.space.user_code or {}
    if user_code.get("draws_epochs") and (epochs or within) is not None:
        raise SettingsError(
            f"--epochs and --in do not apply to study {source.name}, whose fit chooses "
            "the epochs. Remove them."
        )


def _settings(
    source: Study, candidate: Candidate, data: str | None, how: Mapping[str, Any]
) -> StudySettings:
    """Return the settings of the study of one candidate, trained on all images."""
    from tuner.cli.candidates import settings_for, settings_like

    like = settings_like(source, data)
    has_fit = (source.record.space.user_code or {}).get("has_fit")
    return replace(
        settings_for("final", [candidate], like, {}),
        limit=None,
        # A fit of the user's own may need validation images, to stop by for example.
        validation_split=like.validation_split if has_fit else 0.0,
        patience=None,
        keep_models=1,
        workers=None,
        workers_per_gpu=1,
        time_limit_s=None,
        device=how.get("device", like.device),
        ray=how.get("ray"),
        trial_timeout_s=how.get("trial_timeout"),
    )


def _resumed(
    source: Study,
    stored: Candidate,
    candidate: Candidate,
    epochs: int | None,
    within: float | None,
) -> Candidate:
    """Return the stored candidate if it is of the same trial and epochs.

    Raises:
        StudyChangedError: It is not.
    """
    from tuner.algorithms.base import without_epochs
    from tuner.study.folder import StudyChangedError

    name, then = f"{source.name}/{FINAL}", stored.config["epochs"]
    differences = []
    if stored.name != candidate.name:
        differences.append(f"  TRIAL: {stored.name} in it, {candidate.name} now")
    elif without_epochs(stored.config) != without_epochs(candidate.config):
        differences.append(f"  the config of {candidate.name}")
    if epochs not in (None, then):
        differences.append(f"  --epochs: {then} in it, {epochs} now")
    if differences:
        first = f"The finished network {name} exists with other settings:"
        advice = "Restore them to resume it, or add --overwrite to start again (the old"
        lines = [first, *differences, f"{advice} one is moved aside)."]
        raise StudyChangedError("\n".join(lines))
    if within is not None:
        say(f"{name} keeps its {then} epochs; --overwrite chooses them anew.")
    return stored


def _why_not(folder: Path, network: Final) -> str:
    """Say why a training ended without a network."""
    from tuner.study.folder import Study

    reason = network.error or " ".join(Study.open(folder).record.notes)
    return (
        f"{network.study} has no network: {reason or 'it was not trained'}. See "
        f"{folder / 'search.log'}, fix the cause, and start again with --overwrite."
    )
