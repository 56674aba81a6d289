import dataclasses
import datetime as dt
import json
import os
import re
import subprocess
import sys
import time

import pytest
import studies

from reports.pages import study as page
from reports.pages import table
from reports.read.study import read_study
from reports.stats.ranking import rank
from tuner.system import locks


def fail(trial):
    return dataclasses.replace(trial, status="failed", executions=(), error="no memory")


CASES = {
    "none": {"n": 0},
    "none running": {"n": 0, "state": "running"},
    "one": {"n": 1},
    "five": {"n": 5},
    "all failed": {"n": 4, "change": fail},
    "nan": {"n": 10, "change": studies.without_result},
    "interrupted": {"n": 6, "state": "running"},
    "hostile": {"n": 6, "change": studies.hostile},
    "seeds": {"n": 4, "executions": 3},
    "hyperparams": {"n": 20, "space": "hyperparams"},
    "loss": {"n": 6, "settings": {"space": "architecture", "objective": "val_loss"}},
    "bare": {
        "n": 3,
        "settings": {"space": "architecture"},
        "data": {},
        "hardware": {},
        "plan": {},
    },
}


@pytest.mark.parametrize("case", CASES)
def test_every_state_of_a_study_has_a_page(tmp_path, case):
    """Whatever the folder holds, the page is whole and says something first."""
    folder = studies.write_study(tmp_path, **CASES[case])

    html = page.write_report(folder).read_text(encoding="utf-8")

    lead = re.search(r'id="verdict">([^<]+)</p>', html)
    assert lead
    assert lead[1].endswith(".")
    assert html.rstrip().endswith("</html>")
    assert "nan" not in re.sub(r"base64,[^\"]+", "", lead[1] + "".join(
        re.findall(r"<t[dh][^>]*>([^<]*)<", html)
    )).lower()  # fmt: skip


@pytest.mark.parametrize("write", [studies.write_hyperband, studies.write_published])
def test_other_kinds_of_study_have_a_page(tmp_path, write):
    """Hyperband and published write whole pages too."""
    html = page.write_report(write(tmp_path)).read_text(encoding="utf-8")

    assert html.rstrip().endswith("</html>")


def test_the_page_needs_nothing_but_itself(tmp_path):
    """No address but data:, and a policy that would stop any other."""
    html = page.write_report(studies.write_study(tmp_path, n=5)).read_text("utf-8")

    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in html
    sources = re.findall(r'(?:src|href)="([^"]{0,40})', html)
    assert {s.split(":")[0] for s in sources} <= {"data", "../comparison.html"}
    assert "http://" not in html
    assert "https://" not in html


def test_hostile_names_are_text(tmp_path):
    """Markup in a name, a value or an error never becomes markup."""
    folder = studies.write_study(tmp_path, n=6, change=studies.hostile)
    html = page.write_report(folder).read_text(encoding="utf-8")
    page.write_comparison(tmp_path)

    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert html.count("</script>") == 2  # the data's and the program's


def test_the_table_holds_every_trial_once(tmp_path):
    """Rows, columns and cells fit together; only what varies is a column."""
    study = read_study(studies.write_study(tmp_path, n=120, failures=0.1))
    columns = table.trials_table(study, rank(study))
    by_key = {column.key: column for column in columns}

    assert {len(column.data) for column in columns} == {120}
    assert sorted(by_key["trial"].data) == list(range(120))
    assert "learning_rate" not in by_key
    assert len(table.cells(columns[0])) == 100
    scores = [v for v in by_key["val_accuracy"].data if v is not None]
    assert scores == sorted(scores, reverse=True)
    json.dumps(table.payload(columns), allow_nan=False)


def test_verdict_first_row_and_first_dumbbell_row_agree(tmp_path):
    """One trial, one number, wherever the page names the leader."""
    folder = studies.write_study(tmp_path, n=40)
    study = read_study(folder)
    html = page.report_html(study)

    trial, score = re.search(
        r'verdict">Trial (\d+) has the highest validation accuracy, ([\d.]+) %', html
    ).groups()
    row = re.search(r"<tbody>\s*<tr>(.*?)</tr>", html[html.index('id="all"') :])[1]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", row)
    assert cells[:2] == ["1", trial]
    assert cells[3] == score
    assert f"First row, trial {trial}:" in html


def test_a_running_study_reloads_and_others_do_not(tmp_path):
    """While a search holds the folder, the page says that it reloads."""
    folder = studies.write_study(tmp_path, n=3, state="running")
    stopped = page.write_report(folder).read_text(encoding="utf-8")
    with locks.hold(folder):
        running = page.write_report(folder).read_text(encoding="utf-8")

    assert 'http-equiv="refresh"' not in stopped
    assert "interrupted, 2 of 50" in stopped
    assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in running
    assert "reloads itself every 10 seconds" in running


def test_a_running_page_says_first_of_when_it_is(tmp_path):
    """To the second: a page that no longer reloads looks like one that still does."""
    folder = studies.write_study(tmp_path, n=3, state="running")
    with locks.hold(folder):
        pages = page.write_report(folder), page.write_comparison(tmp_path)
    for path in pages:
        header = path.read_text(encoding="utf-8").partition("</header>")[0]
        as_of = re.search(r"As of (\S+ \S+) UTC; this page reloads itself", header)
        written = dt.datetime.fromisoformat(f"{as_of[1]}+00:00")
        assert abs((dt.datetime.now(dt.UTC) - written).total_seconds()) < 60


def test_a_broken_trial_is_named_on_the_page(tmp_path):
    """The page names unread files before its first section."""
    folder = studies.write_study(tmp_path, n=3)
    (folder / "trials" / "0001.json").write_text("{", encoding="utf-8")

    html = page.write_report(folder).read_text(encoding="utf-8")

    assert "0001.json was left out: " in html.partition('id="what"')[0]


def test_a_page_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    """When writing fails the old page stays, and nothing is left beside it."""
    folder = studies.write_study(tmp_path, n=2)
    path = page.write_report(folder)
    before = path.read_bytes()

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        page.write_report(folder)

    assert path.read_bytes() == before
    assert sorted(p.name for p in folder.iterdir() if p.is_file()) == [
        "report.html",
        "study.json",
    ]


def test_the_comparison_of_many_kinds_is_whole(tmp_path):
    """All kinds of study in one folder make one page."""
    change = studies.shared_baseline
    studies.write_study(tmp_path, "architecture-cifar10", 12, change=change)
    studies.write_study(
        tmp_path, "hyperparams-cifar10", 12, space="hyperparams", change=change
    )
    studies.write_hyperband(tmp_path)
    studies.write_published(tmp_path)
    studies.write_study(tmp_path, "failed", 3, change=fail)
    studies.write_study(tmp_path, "<b>bold", 3)
    (tmp_path / "junk").mkdir()

    html = page.write_comparison(tmp_path).read_text(encoding="utf-8")

    assert "<b>bold" not in html
    assert 'href="hyperparams-cifar10/report.html"' in html
    assert "All of its 3 trials failed." in html
    assert "no validation to rank by" in html
    assert "Not a study: junk" in html


def test_an_empty_folder_has_a_comparison_too(tmp_path):
    """No study yet is a sentence, not a crash."""
    html = page.write_comparison(tmp_path).read_text(encoding="utf-8")

    assert "This folder holds no study that can be read." in html


@pytest.mark.parametrize(("n", "megabytes"), [(50, 1), (5000, 2)])
def test_pages_stay_small_and_quick(tmp_path, n, megabytes):
    """1 MB at 50 trials, 2 MB at 5,000, within 20 seconds of a core of its own."""
    folder = studies.write_study(tmp_path, n=n, failures=0.05)
    start = time.process_time()

    path = page.write_report(folder)

    assert time.process_time() - start < 20
    assert path.stat().st_size < megabytes * 1_000_000


def test_the_command_writes_both_pages(tmp_path):
    """`python -m reports STUDY` is what a search runs beside itself."""
    folder = studies.write_study(tmp_path, n=3)

    subprocess.run([sys.executable, "-m", "reports", str(folder)], check=True)

    assert (folder / "report.html").exists()
    assert (tmp_path / "comparison.html").exists()


@pytest.mark.parametrize("text", [None, "{"])
def test_the_command_fails_with_one_line(tmp_path, text):
    """No study or a broken one: exit 1, one line, no traceback."""
    if text:
        (tmp_path / "study.json").write_text(text, encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "reports", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "study.json" in done.stderr
