"""`tune export`: a model, script or table that works without this package."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tuner.cli.console import USAGE, exit_codes, fail, print_json, say
from tuner.cli.options import directory_option, json_option

if TYPE_CHECKING:
    from tuner.study.folder import Study

_EXPORTS = {"keras": "model.keras", "script": "train.py", "csv": "trials.csv"}


@click.command()
@click.argument("study")
@click.argument("trial", type=click.IntRange(0), required=False)
@click.option(
    "--to",
    "kind",
    type=click.Choice(["keras", "script", "csv"]),
    default="keras",
    show_default=True,
    help="keras: the trained model, with its preprocessing. script: plain Keras code "
    "that trains it again. csv: a table of all trials.",
)
@click.option("--script", is_flag=True, help="The same as --to script.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write. [default: model.keras, train.py or trials.csv]",
)
@directory_option
@json_option
def export(
    *,
    study: str,
    trial: int | None,
    kind: str,
    script: bool,
    output: Path | None,
    directory: Path,
    as_json: bool,
) -> None:
    """Export a trained model, a training script or a table of trials.

    The model or script is of the network that tune finish trained on all images. If
    there is none, it is of the study's best trial by validation. TRIAL, a trial's
    number, exports that trial of the search. The files work without tune.
    """
    with exit_codes():
        from tuner.study.folder import Study, find_study

        kind = "script" if script else kind
        opened = Study.open(find_study(directory, study))
        output = output or Path(_EXPORTS[kind])
        suffix = Path(_EXPORTS[kind]).suffix
        if output.suffix != suffix:
            fail(USAGE, f"--output must end in {suffix}, got {output}.")
        if not output.absolute().parent.is_dir():
            fail(USAGE, f"--output must be in a folder that exists, got {output}.")
        if kind == "csv":
            _export_table(opened.folder, output, as_json=as_json)
        else:
            _export_trial(opened, trial, kind, output, as_json=as_json)


def _export_table(folder: Path, output: Path, *, as_json: bool) -> None:
    from reports.pages.table import write_csv

    trials = write_csv(folder, output)
    if as_json:
        print_json({"table": str(output), "trials": trials})
    else:
        click.echo(f"Wrote {trials} trials of {folder.name} to {output}.")


def _export_trial(
    study: Study, trial: int | None, kind: str, output: Path, *, as_json: bool
) -> None:
    from tuner.export.network import choose_trial, train_again, write_model
    from tuner.export.script import MARK, script
    from tuner.study.folder import finished_network
    from tuner.system.files import FINAL, atomic_file

    finished = finished_network(study) if trial is None else None
    if trial is None and not finished and (study.folder / FINAL).exists():
        say(
            f"The finished network of {study.name} is not trained yet. This is its "
            f"best trial instead; {study.command('finish')} resumes the training."
        )
    study = finished or study
    chosen = choose_trial(study, trial)
    if kind == "script":
        text = script(study, chosen)
        if output.exists() and MARK not in output.read_text("utf-8", "replace"):
            fail(
                USAGE,
                "--output must be a new file or a script that tune wrote, and "
                f"{output} is neither. Give another with -o.",
            )
        with atomic_file(output) as file:
            file.write(text)
        key, snippet = "script", f"python {shlex.quote(str(output))}"
    else:
        retrain = train_again(study, say)
        key, snippet = "model", write_model(study, chosen, output, retrain)
    who, facts = f"trial {chosen.trial} of {study.name}", {"trial": chosen.trial}
    if study.record.settings.kind == "final":
        who, facts = _finished(study)
    if as_json:
        print_json({key: str(output), **facts, "load": snippet})
        return
    purpose = "To train it again" if kind == "script" else "To use it"
    click.echo(f"Wrote {who} to {output}. {purpose}:\n")
    click.echo(snippet)


def _finished(study: Study) -> tuple[str, dict[str, Any]]:
    """Describe a finished network, and return its facts for JSON."""
    from reports.pages.final import final
    from reports.read.study import read_study
    from tuner.cli.finish import final_object
    from tuner.study.folder import Study

    searched = Study.open(study.folder.parent)
    facts = final_object(searched) or {}
    network = final(read_study(study.folder))
    who = f"the finished network of {searched.name} ({network.how})"
    return who, {"trial": facts.get("trial"), "final": facts}
