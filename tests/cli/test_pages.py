"""Promises of the pages' process: one, at leisure, and whole at the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import studies

from tuner.cli import pages as live_page
from tuner.cli.pages import Pages


@pytest.fixture
def folder(tmp_path):
    return studies.write_study(tmp_path, "a", 3)


def _until_idle(pages):
    pages._reader.join(300)  # at low priority, so a busy machine may take long
    assert not pages._is_busy


def test_pages_are_written_by_one_process_and_not_too_often(folder, monkeypatch):
    """It rests several times as long as a page took, and ten seconds at least."""
    with Pages(folder) as pages:
        assert pages.refresh()
        assert not pages.refresh()
        _until_idle(pages)
        first = pages._process.pid
        assert (folder / "report.html").exists()
        assert (folder.parent / "comparison.html").exists()
        (folder / "report.html").unlink()
        assert not pages.refresh()
        assert not pages._is_busy
        assert pages._next > time.monotonic()

        pages._next = 0.0
        pages.refresh()
        assert pages._is_busy
        _until_idle(pages)
        assert pages._process.pid == first
        assert (folder / "report.html").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


def test_the_last_page_is_written_whatever_became_of_the_process(folder):
    """Dead, in the middle of a page, or never begun."""
    with Pages(folder) as pages:
        assert pages.write() is None  # by this process
        (folder / "report.html").unlink()
        pages.refresh()
        assert pages.write() is None  # while it is busy
        _wait_for_no(folder, ".part")
        (folder / "report.html").unlink()

        pages._next = 0.0
        pages.refresh()
        _until_idle(pages)
        os.kill(pages._process.pid, signal.SIGKILL)
        pages._process.wait()
        (folder / "report.html").unlink()
        assert pages.write() is None
        assert (folder / "report.html").exists()


def test_a_page_that_cannot_be_written_is_said(folder):
    with Pages(folder) as pages:
        pages.refresh()
        _until_idle(pages)
        (folder / "report.html").unlink()
        (folder / "report.html").mkdir()
        problem = pages.write()
        assert problem.startswith("Could not write the reports: ")
        assert "tune report --directory" in problem


def test_unwanted_pages_are_never_written(folder):
    with Pages(folder, wanted=False) as pages:
        pages.refresh()
        assert pages.write() is None
        assert pages._process is None
    assert not (folder / "report.html").exists()


def test_a_process_that_has_drawn_many_is_replaced(folder, monkeypatch):
    monkeypatch.setattr(live_page, "_PAGES_PER_PROCESS", 1)
    with Pages(folder) as pages:
        seen = set()
        for _ in range(2):
            pages._next = 0.0
            pages.refresh()
            _until_idle(pages)
            seen.add(pages._process.pid)
    assert len(seen) == 2


def test_it_ends_with_who_asks(folder):
    """Its input ends: also where that process was killed."""
    done = subprocess.run(
        [sys.executable, "-c", live_page._SERVE, json.dumps(sys.path)],
        input="",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == ""


def _wait_for_no(folder, ending):
    assert not list(folder.glob(f"*{ending}"))
