"""Promises of the terminal's tables: as wide as it is, and whole without a width."""

import pytest
import studies
from hypothesis import given
from hypothesis import strategies as st

from reports.pages.fresh_seeds import outcome
from tuner.cli import summary
from tuner.cli.console import with_seeds
from tuner.study.folder import Study
from tuner.system.tables import blocks, table


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Write a long-named study with long errors, and one of arms with long names."""
    runs = tmp_path_factory.mktemp("runs")
    return [
        studies.write_study(runs, "a" * 90, n=12, failures=0.3, space="hyperparams"),
        studies.write_candidates(
            runs / "tried",
            {
                f"{name} kernel_size=5 units=64,128": v
                for name, v in studies.TRIED.items()
            },
            "try",
            5,
        ),
    ]


def test_80_columns_hold_every_table(folders):
    """What `list`, `show` and the verdicts print on a narrow terminal."""
    opened = [Study.open(folder) for folder in folders]
    printed = summary.list_lines(opened, 80)
    for study in opened:
        printed += summary.study_lines(study, 80)[1:]
        printed += summary.trial_lines(study, study.trials[0], 80)[1:]
    sentences = 3  # are wrapped when they are printed
    printed += outcome(folders[1], width=80).lines[sentences:-1]

    assert max(map(len, printed)) <= 80
    assert any("…" in line for line in printed)


def test_without_a_width_nothing_is_left_out(folders):
    """A pipe gets a line a row, whole."""
    study = Study.open(folders[0])
    lines = summary.list_lines([study])

    assert lines[1].startswith(study.name)
    assert len(summary.study_lines(study)) <= len(study.trials) + 3
    assert not any("…" in line for line in outcome(folders[1]).lines)


@given(
    name=st.text("ab c", min_size=1, max_size=60),
    words=st.text("de f", min_size=1, max_size=200).map(str.strip).filter(bool),
    width=st.integers(50, 120),
)
def test_a_table_fits_and_keeps_its_last_column(name, words, width):
    """All words of the last column are there, in order, whatever the width."""
    rows = [("name", "n", ""), (name, "12", words)]
    lines = table(rows, width)

    assert max(map(len, lines)) <= width
    kept = "".join("".join(line[line.index("12") + 2 :] if "12" in line else line
                           for line in lines[1:]).split())  # fmt: skip
    assert kept == "".join(words.split())


def test_columns_that_do_not_fit_follow_below():
    """Each block begins with the first column."""
    rows = [("epoch", *(f"a_long_metric_{i}" for i in range(9))), ("1", *"123456789")]
    lines = blocks(rows, 80)

    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("epoch") for line in lines) == 3
    assert all(f"a_long_metric_{i}" in "\n".join(lines) for i in range(9))
    assert len(blocks(rows)) == 2


@pytest.mark.parametrize("given", ["--seeds 5 ", "--seeds=5 ", ""])
def test_the_same_command_with_other_seeds(given):
    """It stands there once, with the new number; all else is as it was."""
    command = f"tune try {given}filters=48 --data 'my data.npz'"

    found = with_seeds(command, 12)
    assert found == "tune try filters=48 --data 'my data.npz' --seeds 12"
