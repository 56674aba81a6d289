"""Promises of the lock: one holder, and death releases it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tuner.system.locks import StudyLockedError, hold, is_held

HOLD = (
    "import sys, time; from pathlib import Path; from tuner.system.locks import hold\n"
    "with hold(Path(sys.argv[1])):\n"
    "    print('held', flush=True)\n"
    "    time.sleep(600)\n"
)


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "study"],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_holder_is_refused_by_name(tmp_path, holder):
    """The error names the process, and says what to do."""
    assert is_held(tmp_path / "study")
    text = f"process {holder.pid} on .* is searching .* Wait until it ends, stop it, or"
    with pytest.raises(StudyLockedError, match=text), hold(tmp_path / "study"):
        pytest.fail("two processes hold one study")


def test_death_releases_it(tmp_path, holder):
    """Kill -9 leaves a note behind, and no lock."""
    holder.kill()
    holder.wait()
    note = tmp_path / ".locks" / "study.holder"
    assert note.exists()
    assert not is_held(tmp_path / "study")
    with hold(tmp_path / "study"):
        assert str(os.getpid()) in note.read_text()
    assert not is_held(tmp_path / "study")


def test_a_folder_without_a_lock_is_free(tmp_path):
    """Asking creates nothing."""
    assert not is_held(tmp_path / "study")
    assert list(tmp_path.iterdir()) == []
