"""Faults of every kind, injected into real searches: nothing finished is lost.

`FAULTS=100 pytest tests/test_faults.py` injects as many; by default a few.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="signals, /proc"),
]

# 0 where it was done; the last is Python's own, where Ctrl-C comes as it starts.
ENDS = (0, 130, -signal.SIGKILL, -signal.SIGINT)
# oneDNN's kernels may fail for want of memory without a word about it.
WITHOUT_MEMORY = ("out of memory", "AbortedError: Operation received an exception")
FAULTS = int(os.environ.get("FAULTS", "3"))

SPACE = """
from dataclasses import replace
from search_spaces.config import BASELINE


def sample(hp, base=BASELINE):
    width = hp.Choice("width", [2, 3, 4, 5, 6, 7, 8, 9])
    return replace(base, filters=(width,), units=(8,), dropout=0.2)
"""
COMMAND = ["--space", "space.py", "--dataset", "digits", "--limit", "600"]
COMMAND += ["--deterministic", "--no-report", "--workers", "2"]
SEARCH = [*COMMAND, "-n", "6", "--epochs", "12"]
LONG = [*COMMAND, "-n", "2", "--epochs", "400"]


def start(folder, command):
    """Start a search in a folder with the space; Ctrl-C reaches it."""
    # Where the tests run in the background, Ctrl-C is ignored, and children inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "space.py").write_text(SPACE, encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, "-m", "tuner", *command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def study(folder):
    """Name the study's folder."""
    return folder / "runs/space-digits"


def records(folder):
    """Read every record, by trial; not one that is cut off."""
    found = {}
    for path in sorted((study(folder) / "trials").glob("*.json")):
        with suppress(ValueError):
            record = json.loads(path.read_text(encoding="utf-8"))
            found[record["trial"]] = record
    return found


def results(folder):
    """Say what was trained and what came of it, without times and cuts."""
    return {
        number: (
            record["status"],
            record["config"],
            [(e["seed"], e["history"], e["test_loss"]) for e in record["executions"]],
        )
        for number, record in records(folder).items()
    }


def workers_of(process):
    """List the worker processes of a search."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text(encoding="utf-8").rpartition(")")[2].split()[1])
            command = path.with_name("cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        if parent == process.pid and b"spawn_main" in command:
            found.append(int(path.parent.name))
    return found


def wait_for(happened, process, seconds=120):
    """Wait until something has happened in a search that runs."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert process.poll() is None, process.communicate()[0][-2000:]
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def in_mid_trial(folder):
    """Whether some trial has had two epochs and is not done."""
    running = [r for r in records(folder).values() if r["status"] == "running"]
    return any(r["executions"][0]["epochs"] > 1 for r in running)


def kill_a_worker(process, folder, rng):
    """Kill -9 one; not where a trial has lost one already: two are its failure."""
    running = [r for r in records(folder).values() if r["status"] == "running"]
    workers = workers_of(process)
    lost = [e["attempts"] for r in running for e in r["executions"]]
    if not workers or any(lost):
        return False
    os.kill(rng.choice(workers), signal.SIGKILL)
    return True


def signal_driver(*numbers):
    """Make a fault: send the driver signals, a moment apart."""

    def inject(process, folder, rng):
        for number in numbers:
            if process.poll() is None:
                process.send_signal(number)
                time.sleep(rng.uniform(0, 0.3))
        return True

    return inject


def lose_a_record(process, folder, rng):
    """Kill the driver, and cut a record off as a failing disk would."""
    process.kill()
    process.wait()
    paths = sorted((study(folder) / "trials").glob("*.json"))
    if not paths:
        return False
    path = rng.choice(paths)
    path.write_bytes(path.read_bytes()[:100])
    return True


def start_a_second(process, folder, rng):
    """Run the same command beside it: it is refused, by name and process."""
    if not (study(folder) / "study.json").exists() or process.poll() is not None:
        return False
    second = start(folder, SEARCH)
    said, _ = second.communicate()
    if second.returncode == 0:  # the first had just ended
        return False
    assert second.returncode == 1
    assert f"process {process.pid} on" in said
    return True


KINDS = {
    "a worker killed": kill_a_worker,
    "the driver killed": signal_driver(signal.SIGKILL),
    "Ctrl-C": signal_driver(signal.SIGINT),
    "Ctrl-C twice": signal_driver(signal.SIGINT, signal.SIGINT),
    "SIGTERM": signal_driver(signal.SIGTERM),
    "a record cut off": lose_a_record,
    "a second search": start_a_second,
}

GOES_ON = (kill_a_worker, start_a_second)


def test_faults_of_every_kind_lose_and_repeat_nothing(tmp_path):
    """The records end as those of a search without faults, bit for bit."""
    process = start(tmp_path / "whole", SEARCH)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said[-2000:]
    whole = results(tmp_path / "whole")
    assert [status for status, *_ in whole.values()] == ["completed"] * 7

    rng = random.Random(0)  # noqa: S311  moments, not secrets
    faults, folders = dict.fromkeys(KINDS, 0), 0
    kinds = list(KINDS)
    process = None
    while sum(faults.values()) < FAULTS:
        folder = tmp_path / str(folders)
        process, kind = process or start(folder, SEARCH), ""
        try:
            process.wait(rng.uniform(2, 9))
        except subprocess.TimeoutExpired:
            kind = kinds[sum(faults.values()) % len(kinds)]
            faults[kind] += KINDS[kind](process, folder, rng)
            if KINDS[kind] in GOES_ON:
                continue
        said, _ = process.communicate(timeout=60)
        assert process.returncode in ENDS, (kind, said[-2000:])
        if process.returncode == 0:
            assert results(folder) == whole
            folders += 1
        for number, result in results(folder).items():
            if result[0] == "completed":
                assert result == whole[number]
        process = None
    process = process or start(tmp_path / str(folders), SEARCH)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said[-2000:]
    assert results(tmp_path / str(folders)) == whole
    print(faults)  # noqa: T201  what a run of many injected


def test_a_hung_worker_costs_its_trial_alone(tmp_path):
    """Stopped past --trial-timeout: that trial has failed, the others are trained."""
    process = start(tmp_path, [*SEARCH, "--trial-timeout", "25s"])
    wait_for(lambda: in_mid_trial(tmp_path), process)
    hung = workers_of(process)[0]
    os.kill(hung, signal.SIGSTOP)
    said, _ = process.communicate(timeout=300)

    assert process.returncode == 0, said[-2000:]
    found = [r["error"] for r in records(tmp_path).values() if r["status"] == "failed"]
    assert len(found) <= 1  # none, if it was between two trials
    assert set(found) <= {"timed out after 25 s"}
    assert not Path(f"/proc/{hung}").exists()


def test_a_worker_without_memory_costs_its_trial_alone(tmp_path):
    """Not one more page for it: the trial has failed or is tried again elsewhere."""
    resource = pytest.importorskip("resource")
    process = start(tmp_path, SEARCH)
    wait_for(lambda: in_mid_trial(tmp_path), process)
    starved = workers_of(process)[0]
    resource.prlimit(starved, resource.RLIMIT_AS, (1 << 20, 1 << 20))
    said, _ = process.communicate(timeout=300)

    assert process.returncode == 0, said[-2000:]
    found = records(tmp_path)
    assert sorted(found) == list(range(7))
    failed = [r["error"] for r in found.values() if r["status"] == "failed"]
    assert len(failed) <= 1
    assert all(error.startswith(WITHOUT_MEMORY) for error in failed), failed
    assert failed or "trying again" in said
    assert not Path(f"/proc/{starved}").exists()


def test_a_study_that_vanishes_stops_the_search_and_returns_whole(tmp_path):
    """Moved away, it is not made anew; moved back, the same command goes on."""
    process = start(tmp_path, LONG)
    wait_for(lambda: in_mid_trial(tmp_path), process)
    study(tmp_path).rename(tmp_path / "elsewhere")
    said, _ = process.communicate(timeout=60)

    assert process.returncode == 1, said[-2000:]
    assert "Files could not be read or written" in said
    assert "Traceback" not in said
    assert not (study(tmp_path) / "study.json").exists()

    shutil.rmtree(study(tmp_path), ignore_errors=True)
    (tmp_path / "elsewhere").rename(study(tmp_path))
    before = records(tmp_path)
    process = start(tmp_path, LONG)
    wait_for(lambda: records(tmp_path) != before and in_mid_trial(tmp_path), process)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Resuming after" in said


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk_stops_the_search_and_loses_nothing(tmp_path):
    """Room made, the same command ends as if the disk had been larger."""
    process = start(tmp_path / "whole", SEARCH)
    process.communicate(timeout=300)
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let tests mount a disk")
    try:
        filler = disk / "filler"
        process = start(disk, SEARCH)
        wait_for(lambda: in_mid_trial(disk), process)
        with filler.open("wb", buffering=0) as file:
            while file.write(b"\0" * 4096):
                pass
    except OSError:
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 1, said[-2000:]
        assert "No space left on device" in said
        assert "Traceback" not in said
        for number, result in results(disk).items():
            assert result[0] in ("completed", "running"), number
        filler.unlink()
        process = start(disk, SEARCH)
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said[-2000:]
        assert results(disk) == results(tmp_path / "whole")
    else:
        pytest.fail("the disk did not fill")
    finally:
        process.kill()
        process.communicate()
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a disk")
def test_a_read_only_study_is_said_in_words_and_left_as_it_was(tmp_path):
    """Writable again, the same command goes on."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let tests mount a disk")
    try:
        process = start(disk, LONG)
        wait_for(lambda: in_mid_trial(disk), process)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        before = records(disk)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        again = [sys.executable, "-m", "tuner", *LONG]
        done = subprocess.run(
            again, cwd=disk, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 1, done.stderr[-2000:]
        assert "Read-only file system" in done.stderr
        assert "Traceback" not in done.stderr
        assert records(disk) == before
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        process = start(disk, LONG)
        wait_for(lambda: records(disk) != before, process)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
        assert "Resuming after" in said
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
