"""Promises of the command: what it accepts, what it says, how it exits."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from studies import write_study

from reports.pages.advice import next_steps
from reports.pages.facts import command
from reports.read.study import read_study
from reports.stats.ranking import rank
from tuner.cli import summary
from tuner.cli.main import cli
from tuner.cli.options import _SECTIONS
from tuner.study.folder import Study

README = Path(__file__).parents[2] / "README.md"


def run(*arguments, directory=None):
    """Run the command in this process."""
    where = ["--directory", str(directory)] if directory else []
    return CliRunner().invoke(cli, [*arguments, *where], prog_name="tune")


def _commands():
    return sorted(cli.commands.items())


@pytest.mark.parametrize(("name", "command"), _commands())
def test_every_command_and_option_has_help(name, command):
    """Nothing is left to guess: each has a sentence."""
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"tune {name} {parameter.opts[0]}"


@pytest.mark.parametrize(("name", "command"), _commands())
def test_the_readme_names_every_command_and_option(name, command):
    """A command or option that the README does not name does not exist for users."""
    text = README.read_text(encoding="utf-8")
    assert f"tune {name}" in text
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert max(parameter.opts, key=len) in text


def test_every_option_stands_once_in_the_section_of_its_help():
    """A section's names are options of some command; none is forgotten or doubled."""
    sectioned = [name for names in _SECTIONS.values() for name in names.split()]
    options = {p.name for _, c in _commands() for p in c.params}
    assert set(sectioned) <= options
    assert len(set(sectioned)) == len(sectioned)
    for name in ("search", "try", "confirm", "noise"):
        text = run(name, "--help").output
        assert "\nWhere to train:\n  --device" in text
        for parameter in cli.commands[name].params:
            if isinstance(parameter, click.Option):
                flag = max(parameter.opts, key=len)
                shown = re.findall(rf"(?m)^  (-., )?{flag}\b(?!-)", text)
                assert len(shown) == 1


def test_an_option_in_first_place_means_search():
    """`tune --space x` is `tune search --space x`; --help and --version are not."""
    assert "--space must be one of" in run("--space", "nothing").output
    assert "Usage: tune [OPTIONS] COMMAND" in run("--help").output
    assert "\n  tune --space hyperparams  " in run("--help").output  # a line of its own
    assert "Usage: tune search [OPTIONS]" in run("search", "--help").output
    assert run("--version").output.startswith("tune, version")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--space", "architectur"], "--space must be one of architecture, hyperp"),
        (["search"], "Missing option '--space'"),
        (["--space", "architecture", "--epochs", "0"], "'--epochs': 0 is not in the"),
        (["--space", "published", "--epochs", "9"], "have fixed epochs"),
        (["--space", "architecture", "--algorithm", "tpe"], "'tpe' is not one of"),
        (
            ["--space", "architecture", "--audit", "2"],
            "--audit trains configs that Hyperband eliminated",
        ),
        (
            ["--space", "architecture", "--algorithm", "hyperband", "--patience", "2"],
            "--patience cannot be combined",
        ),
        (["--space", "published", "--patience", "2"], "have fixed epochs"),
        (["--space", "architecture", "--base", "nothing"], "holds no study"),
        (["--space", "architecture", "--enqueue", "no.json"], "does not exist"),
        (["--space", "architecture", "--time-limit", "soon"], "must read like 45s"),
        (["--space", "architecture", "--name", "../x"], "--name must be one folder"),
        (
            ["--space", "architecture", "--dataset", "digits", "--data", "."],
            "Give --dataset or --data, not both",
        ),
        (["--space", "architecture", "--data", "no.npz"], "'no.npz' does not exist"),
        (["--space", "architecture", "--workers", "0"], "0 is not in the range"),
        (["try", "filters=48", "--seeds", "few"], "a whole number from 1 up, or auto"),
        (["try", "filters"], "must read like filters=48"),
        (["try", "filtres=48"], "got 'filtres'. Did you mean filters? Names: filt"),
        (["try", "filters=8", "filters=9"], "got filters twice"),
        (["try", "filters=0"], "from 1 to 1024, got filters=0. Keep to that range."),
        (["try", "optimizer=adm"], "got optimizer='adm'. Use one of these."),
        (["show", "nothing"], "holds no study"),
        (["export", "nothing"], "holds no study"),
        (["report"], "holds no study"),
        (["train"], "No such command 'train'"),
    ],
)
def test_a_wrong_call_says_what_to_do_and_exits_2(arguments, text, tmp_path):
    """Usage errors leave nothing behind, and no traceback."""
    where = {} if arguments[0] in {"search", "train"} else {"directory": tmp_path}
    result = run(*arguments, **where)
    assert result.exit_code == 2, result.output
    assert text in result.output
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_trial_lists_those_there_are(tmp_path):
    """`tune show STUDY 99` names the trials."""
    write_study(tmp_path, "small", n=3)
    result = run("show", "small", "99", directory=tmp_path)
    assert result.exit_code == 2
    assert "has no trial 99. It has: 0, 1, 2" in result.output


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_printed_command_works_when_pasted(tmp_path, monkeypatch, elsewhere):
    """Names are quoted, and --directory is there where it is not the default."""
    monkeypatch.chdir(tmp_path)
    directory = Path("my runs") if elsewhere else Path("runs")
    given = ["--directory", str(directory)] if elsewhere else []
    folder = write_study(
        directory, "a <b>", n=50, command=shlex.join(["tune", "--space", "x", *given])
    )
    study = read_study(folder)
    typed = [
        Study.open(folder).command("show"),
        command(study, "show"),
        *re.findall(r"\((tune confirm .*)\)", next_steps(study, rank(study))[0].what),
    ]

    assert len(typed) == 3
    for text in typed:
        words = shlex.split(text)[2:]
        assert words == ["a <b>", *given]
        assert run("show", *words).exit_code == 0
    inner = write_study(folder, "confirm", n=1)
    words = shlex.split(Study.open(inner).command("show"))[1:]
    assert run(*words).exit_code == 0


def test_list_and_show_read_what_is_on_disk(tmp_path):
    """The terminal and --json tell the same facts."""
    write_study(tmp_path, "small", n=5)
    listed = json.loads(run("list", "--json", directory=tmp_path).stdout)
    shown = json.loads(run("show", "small", "--json", directory=tmp_path).stdout)

    assert listed["schema"] == shown["schema"] == 1
    assert listed["studies"][0]["best"] == shown["best"]
    assert {t["trial"] for t in shown["trials"]} == set(range(len(shown["trials"])))
    best = f"{100 * shown['best']['val_accuracy']:.1f}"
    assert best in run("list", directory=tmp_path).stdout
    table = run("show", "small", directory=tmp_path).stdout
    assert table.splitlines()[2].split()[:2] == [str(shown["best"]["trial"]), best]


def test_one_trial_is_shown_in_full(tmp_path):
    """Its config and every epoch."""
    write_study(tmp_path, "small", n=2)
    text = run("show", "small", "1", directory=tmp_path).stdout
    assert "filters_1" in text
    assert "epoch" in text
    record = json.loads(run("show", "small", "1", "--json", directory=tmp_path).stdout)
    assert record["trial"] == 1


def test_what_nobody_trains_any_more_is_cut_off(tmp_path):
    """Its record says that it runs: the session that would have known has ended."""

    def stop(trial):
        return replace(trial, status="running") if trial.trial == 2 else trial

    write_study(tmp_path, "small", n=3, state="interrupted", change=stop)
    assert "(cut off)" in run("show", "small", directory=tmp_path).stdout
    one = run("show", "small", "2", directory=tmp_path).stdout
    assert one.startswith("Trial 2 of small, cut off")


@pytest.mark.parametrize(("best", "is_said"), [(None, False), (3, True), (5, False)])
def test_an_epoch_is_kept_where_a_later_one_was_trained(tmp_path, best, is_said):
    """A fit of one's own that ends early keeps its last."""

    def keep(trial):
        runs = [replace(e, best_epoch=best) for e in trial.executions]
        return replace(trial, executions=tuple(runs))

    write_study(tmp_path, "small", n=2, change=keep)
    text = run("show", "small", "1", directory=tmp_path).stdout
    assert ("kept epoch 3 of 5" in text) is is_said
    assert ("kept epoch" in text) is is_said


def test_a_damaged_record_shows_in_the_list(tmp_path):
    """And not in `show` alone."""
    folder = write_study(tmp_path, "small", n=3)
    assert "damaged" not in run("list", directory=tmp_path).stdout
    (folder / "trials/0001.json").write_text("{", encoding="utf-8")
    assert "completed, damaged" in run("list", directory=tmp_path).stdout


@pytest.mark.parametrize(
    ("failures", "baseline", "found"),
    [(0.0, True, True), (1.0, True, False), (1.0, False, True)],
)
def test_a_baseline_alone_is_no_result(tmp_path, failures, baseline, found):
    """A search whose every proposal failed could not do its work."""
    folder = write_study(tmp_path, "small", n=4, failures=failures)
    study = Study.open(folder)
    study.update(settings=replace(study.record.settings, baseline=baseline))
    assert summary.has_result(study) is found


def test_a_broken_pipe_is_no_error(tmp_path):
    """`tune list | head -1` ends quietly."""
    write_study(tmp_path, "small", n=2)
    tune = shutil.which("tune", path=str(Path(sys.executable).parent))
    done = subprocess.run(
        f"{tune} list --directory {tmp_path} | head -c 1",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr


def test_python_m_tuner_is_the_same_command():
    """It works where another package has taken the name `tune`."""
    done = subprocess.run(
        [sys.executable, "-m", "tuner", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == run("--version").output
