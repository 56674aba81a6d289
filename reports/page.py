"""One self-contained HTML file from a study folder, or from all of them."""

from __future__ import annotations

import datetime as dt
import functools
import json
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from reports import (
    advice,
    comparison,
    comparison_page,
    contrasts,
    facts,
    findings,
    images,
    table,
    wording,
)
from reports.frames import Study, read_study
from reports.ranking import Ranking, rank
from tuner.files import atomic_file

_PODIUM = 8


def write_report(folder: Path) -> Path:
    """Write `report.html` of a study folder, whole or not at all.

    Raises:
        FileNotFoundError: There is no study.json.
        RecordError: study.json cannot be read.
        OSError: The folder cannot be written to.
    """
    study = read_study(folder)
    return _write(folder / "report.html", report_html(study))


def write_comparison(runs: Path) -> Path:
    """Write `comparison.html` of every study in a folder, whole or not at all.

    Raises:
        OSError: The folder cannot be read or written to.
    """
    found = comparison.read_studies(runs)
    return _write(runs / "comparison.html", comparison_html(found))


def report_html(study: Study) -> str:
    """Build a study's page."""
    ranking = rank(study)
    columns = table.trials_table(study, ranking) if len(ranking.listed) else []
    compared = contrasts.contrasts(study, ranking)
    return _render(
        "report.html.j2",
        title=f"{study.name} · tune",
        live=study.state == "running",
        study=study,
        status=facts.status(study),
        verdict=findings.verdict(study, ranking),
        notes=findings.notes(study, ranking),
        about=facts.about(study),
        images=images.study_images(study, ranking),
        podium=_podium(study, ranking),
        score_name="Val. %" if study.objective.is_accuracy else "Score",
        has_intervals=study.objective.is_accuracy,
        contrasts=contrasts.rows(study, compared),
        contrasts_note=contrasts.note(compared) if compared else "",
        validation_images=wording.count(study.images("validation")),
        train_images=wording.count(study.images("train")),
        test_images=wording.count(study.images("test")),
        peaked_text=findings.peaked_words(study, ranking),
        lost=findings.lost(study),
        table=columns,
        rows=list(zip(*(table.cells(column) for column in columns), strict=True)),
        trials=len(ranking.listed),
        total=wording.several(len(ranking.listed), "trial"),
        data=_json(table.payload(columns)),
        failures=findings.failures(study),
        steps=advice.next_steps(study, ranking),
        command=study.record.command,
        use=facts.use(study, ranking),
        environment=facts.environment(study),
    )


def comparison_html(found: comparison.Studies) -> str:
    """Build the page across studies."""
    return _render(
        "comparison.html.j2",
        title="Studies compared · tune",
        live=any(entry.study.state == "running" for entry in found.entries),
        **comparison_page.page(found)._asdict(),
    )


def _podium(study: Study, ranking: Ranking) -> list[tuple[str, ...]]:
    rows = ranking.ranked[
        (ranking.ranked["place"] <= _PODIUM) | (ranking.ranked["trial"] == 0)
    ]
    return [_podium_row(study, row) for _, row in rows.iterrows()]


def _podium_row(study: Study, row: pd.Series[Any]) -> tuple[str, ...]:
    value = float(row["objective"])
    interval = wording.MISSING
    score = wording.number(value, 3)
    if study.objective.is_accuracy:
        score = wording.number(100 * value, 1)
        interval = wording.interval(row["objective_low"], row["objective_high"])
    return (
        "baseline" if row["trial"] == 0 else str(int(row["trial"])),
        score,
        interval,
        wording.params(row["params"]),
        wording.duration(row["seconds"]),
    )


def _render(template: str, **context: Any) -> str:
    written = f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC"
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
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


@functools.cache
def _asset(name: str) -> Markup:
    """Read a style sheet or script of ours, which needs no escaping."""
    text = (Path(__file__).parent / name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 - our own file


def _json(data: dict[str, Any]) -> Markup:
    """Write JSON that cannot end the script element around it."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    text = text.replace("<", "\\u003c").replace(">", "\\u003e")
    return Markup(text)  # noqa: S704 - escaped on the line above


def _write(path: Path, html: str) -> Path:
    with atomic_file(path) as file:
        file.write(html)
    return path
