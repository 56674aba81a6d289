"""Write the study report and the comparison report, each one self-contained file."""

from __future__ import annotations

import datetime as dt
import functools
import json
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import pandas as pd
from markupsafe import Markup

from reports.figures import catalog
from reports.figures.style import Image
from reports.pages import (
    advice,
    facts,
    final,
    findings,
    fresh_seeds,
    noise,
    published,
    table,
)
from reports.pages import comparison as comparison_page
from reports.read import labels
from reports.read.study import StudyFrames, read_study
from reports.stats import effects, groups, verdicts
from reports.stats.analysis import Analysis
from reports.stats.ranking import Ranking
from search_spaces.errors import ExpectedError
from tuner.study.schema import RecordError
from tuner.system.files import CONFIRM, DIRECTORY, atomic_file

_PODIUM = 8  # rows of the table of top trials


def write_report(folder: Path) -> Path:
    """Write `report.html` of a study folder, whole or not at all.

    Raises:
        FileNotFoundError: The folder has no study.json.
        RecordError: study.json cannot be read.
        OSError: The folder cannot be written to.
    """
    study = read_study(folder)
    return _write(folder / "report.html", report_html(study))


def write_comparison(runs: Path) -> Path:
    """Write `comparison.html` of all studies in a folder, whole or not at all.

    Raises:
        OSError: The folder cannot be read or written to.
    """
    html = comparison_html(groups.read_studies(runs))
    return _write(runs / "comparison.html", html)


def write_pages(folder: Path) -> str | None:
    """Write a study's report, its parent study's, and the comparison report.

    Returns:
        None, or why they could not be written.
    """
    outer = folder.parent
    try:
        write_report(folder)
        if (outer / "study.json").exists():
            write_report(outer)
            outer = outer.parent
        write_comparison(outer)
    except (ExpectedError, OSError) as error:
        where = "" if outer == DIRECTORY else f" --directory {shlex.quote(str(outer))}"
        return f"Could not write the reports: {error}. Try again: tune report{where}"
    return None


def report_html(study: StudyFrames) -> str:
    """Build a study report."""
    analysis = Analysis(study)
    ranking, weights = analysis.ranking, analysis.importance
    confirmed = [inner for inner in _confirmations(study) if inner.comparisons]
    network = final.read_final(study.folder)
    images = catalog.images("study", analysis)
    columns = table.trials_table(study, ranking) if len(ranking.listed) else []
    return _render(
        "report.html.j2",
        title=f"{study.name} · tune",
        live=study.state == "running",
        study=study,
        status=facts.status(study),
        outer=study.name.count("/") == 1,
        verdict=_verdict(analysis, confirmed, network),
        final=final.paragraphs(network) if network else (),
        confirmed=[
            (
                fresh_seeds.trained_again(inner.study.folder),
                _compared(inner, catalog.image("differences", inner)),
            )
            for inner in confirmed
        ],
        **_noise(analysis),
        **_replication(analysis),
        notes=findings.notes(study, ranking),
        about=facts.about(study),
        images=images,
        importance_withheld=weights if isinstance(weights, str) else "",
        **_effects(analysis),
        podium=_podium(study, ranking),
        score_name=_score_name(study),
        has_intervals=study.has_intervals,
        compared=_compared(analysis, images.get("differences")),
        validation_images=labels.count(study.images("validation")),
        train_images=labels.count(study.images("train")),
        test_images=labels.count(study.images("test")),
        peaked_text="" if study.candidates else findings.peaked_words(study, ranking),
        harm="" if study.candidates else findings.harmful_overfitting(study, ranking),
        time_lost=findings.time_lost(study),
        table=columns,
        rows=list(zip(*(table.cells(column) for column in columns), strict=True)),
        trials=len(ranking.listed),
        total=labels.several(len(ranking.listed), "trial"),
        data=_json(table.payload(columns)),
        failures=findings.failures(study),
        steps=() if study.candidates else advice.next_steps(study, ranking),
        command=study.record.command,
        use=_use(study, ranking, network),
        environment=facts.environment(study),
    )


class Compared(NamedTuple):
    """Comparisons between trials, as a report shows them."""

    image: Image
    rows: list[verdicts.Row]
    note: str
    accuracies: list[tuple[str, ...]]


def _compared(analysis: Analysis, image: Image | None) -> Compared | None:
    if image is None:
        return None
    study, comparisons = analysis.study, analysis.comparisons
    return Compared(
        image,
        verdicts.rows(study, comparisons),
        verdicts.note(study, comparisons),
        fresh_seeds.accuracy_rows(analysis) if study.candidates else [],
    )


def _confirmations(study: StudyFrames) -> list[Analysis]:
    """Read the studies of `tune confirm`, the one on all images first."""
    confirmed = []
    for folder in (study.folder / name for name in reversed(CONFIRM)):
        with suppress(RecordError):
            if (folder / "study.json").exists():
                confirmed.append(Analysis(read_study(folder)))
    return confirmed


def _use(
    study: StudyFrames, ranking: Ranking, network: final.Final | None
) -> facts.Use | None:
    if study.kind == "final":
        return facts.use_final(study, final.final(study))
    if study.candidates or study.is_imported:
        return None
    finished = facts.use_final(study, network) if network else None
    return finished or facts.use(study, ranking)


def _verdict(
    analysis: Analysis, confirmed: list[Analysis], network: final.Final | None
) -> findings.Verdict:
    study, ranking = analysis.study, analysis.ranking
    if study.candidates:
        return fresh_seeds.verdict(analysis)
    lead, support = findings.verdict(study, ranking)
    luck = findings.luck(analysis.optimism, len(ranking.ranked))
    summaries = [fresh_seeds.on_fresh_seeds(inner) for inner in confirmed]
    if network:
        summaries.insert(0, f"The finished network is {final.sentence(network)}")
    return findings.Verdict(lead, (*summaries, *support, *filter(None, [luck])))


def _effects(analysis: Analysis) -> dict[str, Any]:
    study, measured = analysis.study, analysis.effects
    return {
        "effects": effects.rows(study, measured) if measured else [],
        "effects_note": effects.note(study, measured) if measured else "",
    }


def _replication(analysis: Analysis) -> dict[str, Any]:
    study = analysis.study
    if not published.is_published(study):
        return {"replications": [], "replications_note": "", "claims": []}
    rows, note = published.replications(study)
    return {
        "replications": rows,
        "replications_note": note,
        "claims": published.claims(study, analysis.comparisons),
    }


def _noise(analysis: Analysis) -> dict[str, Any]:
    measured = analysis.noise
    return {
        "noise": measured,
        "noise_rows": noise.rows(measured) if measured else [],
        "noise_sentences": noise.sentences(measured) if measured else [],
    }


def comparison_html(studies: groups.Studies) -> str:
    """Build the comparison report."""
    return _render(
        "comparison.html.j2",
        title="Studies compared · tune",
        live=any(entry.study.state == "running" for entry in studies.entries),
        **comparison_page.page(studies)._asdict(),
    )


def _score_name(study: StudyFrames) -> str:
    return "Val. %" if study.objective.is_accuracy else labels.axis(study.objective)


def _podium(study: StudyFrames, ranking: Ranking) -> list[tuple[str, ...]]:
    rows = ranking.ranked[
        (ranking.ranked["place"] <= _PODIUM) | (ranking.ranked["trial"] == 0)
    ]
    return [_podium_row(study, row) for _, row in rows.iterrows()]


def _podium_row(study: StudyFrames, row: pd.Series[Any]) -> tuple[str, ...]:
    value = float(row["objective"])
    interval = labels.MISSING
    score = labels.number(value, 3)
    if study.objective.is_accuracy:
        score = labels.number(100 * value, 1)
    if study.has_intervals:
        interval = labels.interval(row["objective_low"], row["objective_high"])
    return (
        "baseline" if row["trial"] == 0 else str(int(row["trial"])),
        score,
        interval,
        labels.params(row["params"]),
        labels.duration(row["seconds"]),
    )


def _render(template: str, **context: Any) -> str:
    written = f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    return (
        _environment()
        .get_template(template)
        .render(
            css=_asset("page.css"), js=_asset("page.js"), written=written, **context
        )
    )


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


@functools.cache
def _asset(name: str) -> Markup:
    """Read a style sheet or script from the templates, which needs no escaping."""
    text = (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 - a file of this package


def _json(data: dict[str, Any]) -> Markup:
    """Write JSON that cannot close the script element around it."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    text = text.replace("<", "\\u003c").replace(">", "\\u003e")
    return Markup(text)  # noqa: S704 - escaped on the line above


def _write(path: Path, html: str) -> Path:
    with atomic_file(path) as file:
        file.write(html)
    return path
