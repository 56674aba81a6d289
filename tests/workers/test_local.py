"""Promises of the worker processes, with real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import keras
import pytest
from tasks import SMALL, digits, own_log, task

from tuner.data.dataset import save_arrays
from tuner.study.tasks import EpochEnd, TrainingFailure, TrainingResult, WorkerLoss
from tuner.workers.local import LocalWorkers, WorkerStartError
from tuner.workers.placement import Placement

pytestmark = pytest.mark.slow
LONG = replace(SMALL, epochs=500)


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory):
    """Lay the digits out once."""
    folder = tmp_path_factory.mktemp("data")
    save_arrays(digits(), folder)
    return folder


def _submit(workers, what):
    """Submit a task as soon as a worker is idle."""
    while not workers.idle:
        workers.wait()
    workers.submit(what)


def _until_end(workers):
    events = []
    while not events or isinstance(events[-1], EpochEnd):
        events += workers.wait()
    return events


def test_a_worker_trains_and_survives_what_a_trial_throws(data_folder, tmp_path):
    """Epochs come as they happen; a failure is one line; the process goes on."""
    with LocalWorkers(own_log(tmp_path), print, "cpu") as workers:
        ready = workers.open(data_folder)
        assert ready.device.startswith("CPU")
        assert ready.versions["keras"]

        workers.submit(task())
        assert workers.idle == 0
        *epochs, result = _until_end(workers)
        assert [e.epoch for e in epochs] == [1, 2, 3]
        assert isinstance(result, TrainingResult)
        assert workers.idle == 1

        process = workers._workers[0].process.pid
        workers.submit(task(replace(SMALL, kernel_size=11)))
        (failure,) = _until_end(workers)
        assert isinstance(failure, TrainingFailure)
        assert failure.error.startswith("ValueError: ")
        assert workers._workers[0].process.pid == process
    assert "Traceback" in (tmp_path / "search.log").read_text()


def test_nothing_is_left_in_the_folder_for_temporary_files(
    data_folder, tmp_path, monkeypatch
):
    """TensorFlow writes files there that a process which is killed leaves behind."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with LocalWorkers(own_log(tmp_path), print, "cpu") as workers:
        workers.open(data_folder)
        workers.submit(task())
        _until_end(workers)
        (folder,) = scratch.iterdir()
        if keras.backend.backend() == "tensorflow":
            assert list(folder.iterdir())
    assert not list(scratch.iterdir())


def test_a_killed_worker_is_a_loss_and_is_replaced(data_folder, tmp_path):
    """A worker that is gone is reported with its task, and another trains on."""
    with LocalWorkers(own_log(tmp_path), print, "cpu") as workers:
        workers.open(data_folder)
        workers.submit(task(LONG))
        while not any(isinstance(e, EpochEnd) for e in workers.wait()):
            pass
        os.kill(workers._workers[0].process.pid, signal.SIGKILL)
        loss = _until_end(workers)[-1]
        assert isinstance(loss, WorkerLoss)
        assert (loss.trial, loss.execution) == (1, 0)
        assert "SIGKILL" in loss.error

        _submit(workers, task())
        assert isinstance(_until_end(workers)[-1], TrainingResult)


def test_an_idle_worker_that_dies_costs_nothing(data_folder, tmp_path):
    """Its end is seen, another loads, and no task is lost."""
    with LocalWorkers(own_log(tmp_path), print, "cpu") as workers:
        workers.open(data_folder)
        old = workers._workers[0].process
        old.kill()
        old.join()
        while not workers.idle or workers._workers[0].process is old:
            assert workers.wait() == []
        workers.submit(task())
        assert isinstance(_until_end(workers)[-1], TrainingResult)


def test_a_worker_that_dies_as_it_loads_is_tried_again(data_folder, tmp_path):
    """Twice; a third time says that nothing can start here."""
    with LocalWorkers(own_log(tmp_path), print, "cpu") as workers:
        workers._workers[0].process.kill()
        assert workers.open(data_folder).workers == 1
    with LocalWorkers(own_log(tmp_path), print, "cpu") as workers:
        _make_stillborn(workers)
        workers._replace(workers._workers[0], "worker killed")
        with pytest.raises(WorkerStartError, match="can start: worker killed"):
            workers.open(data_folder)


def _make_stillborn(workers):
    """Let every process that is started from now on die at once."""
    start = workers._worker

    def stillborn(*arguments):
        worker = start(*arguments)
        worker.process.kill()
        return worker

    workers._worker = stillborn


def test_a_place_where_no_worker_starts_is_left_out(data_folder, tmp_path):
    """The other worker goes on, and what it finished is not lost."""
    said = []
    placement = Placement((None, None), threads=1)
    with LocalWorkers(own_log(tmp_path), said.append, "cpu", placement) as workers:
        workers.open(data_folder)
        while workers.idle < 2:
            workers.wait()
        _make_stillborn(workers)
        workers.submit(task(replace(SMALL, epochs=1)))
        workers._workers[1].process.kill()
        events = []
        while len(workers._workers) > 1 or not events:
            events += workers.wait()
        while isinstance(events[-1], EpochEnd):
            events += workers.wait()
        assert isinstance(events[-1], TrainingResult)
        assert events[-1].device == "CPU, 1 thread"
    (note,) = said
    assert "could not start: worker killed" in note
    assert "1 of 2 workers are left" in note


def test_a_worker_that_lost_its_gpu_is_not_used(data_folder, tmp_path):
    """One that would train on the CPU, beside others on GPUs, is sent away."""
    said = []
    placement = Placement((None, None), threads=1)
    with LocalWorkers(own_log(tmp_path), said.append, "cpu", placement) as workers:
        ready = workers.open(data_folder)
        workers._first = replace(ready, on_gpu=True, device="some GPU")
        while len(workers._workers) > 1:
            workers.wait()
        assert "it runs on CPU, 1 thread, the others on some GPU" in said[0]


def test_a_worker_that_hangs_as_it_loads_is_replaced(data_folder, tmp_path):
    """Its time to load is limited too."""
    with LocalWorkers(own_log(tmp_path), print, "cpu") as workers:
        hung = workers._workers[0].process
        os.kill(hung.pid, signal.SIGSTOP)
        workers._data_folder = data_folder
        workers._workers[0].open(data_folder)
        workers._workers[0]._since -= 1e6
        assert workers.wait() == []
        assert not hung.is_alive()
        assert workers.open(data_folder).workers == 1


def test_a_process_is_replaced_before_it_grows(data_folder, tmp_path, monkeypatch):
    """After so many trainings another takes its place, beside the others' work."""
    monkeypatch.setattr("tuner.workers.local.TASKS_PER_PROCESS", 1)
    placement = Placement((None, None), threads=1)
    with LocalWorkers(own_log(tmp_path), print, "cpu", placement) as workers:
        assert workers.open(data_folder).workers == 2
        seen, ended = set(), 0
        while ended < 4:
            while workers.idle:
                workers.submit(task(replace(SMALL, epochs=1)))
                seen |= {w.process.pid for w in workers._workers if w.task}
            ended += sum(isinstance(e, TrainingResult) for e in workers.wait())
        assert len(seen) >= 4


def test_a_training_beyond_its_time_is_stopped(data_folder, tmp_path):
    """A hung trial fails, with the time it had; the next one trains."""
    workers = LocalWorkers(own_log(tmp_path), print, "cpu", task_timeout=8.0)
    with workers:
        workers.open(data_folder)
        workers.submit(task(LONG))
        failure = _until_end(workers)[-1]
        assert isinstance(failure, TrainingFailure)
        assert failure.error == "timed out after 8 s"
        _submit(workers, task(replace(SMALL, epochs=1)))
        assert isinstance(_until_end(workers)[-1], TrainingResult)


def test_a_gpu_that_is_not_there_is_said(data_folder, tmp_path):
    """Asked for a GPU, a machine without one says what to do."""
    workers = LocalWorkers(own_log(tmp_path), print, "gpu")
    with workers, pytest.raises(WorkerStartError, match="--device gpu needs a GPU"):
        workers.open(data_folder)


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_a_worker_ends_with_its_driver(data_folder, tmp_path):
    """However the driver dies, no orphan keeps training."""
    code = (
        "import sys, time; sys.path[:0] = ['tests', 'tests/workers']\n"
        "from pathlib import Path\n"
        "from test_local import LONG, task\n"
        "from tuner.workers.local import LocalWorkers\n"
        "if __name__ == '__main__':\n"
        "    w = LocalWorkers(Path(sys.argv[1]), print, 'cpu')\n"
        f"    w.open(Path({str(data_folder)!r}))\n"
        "    w.submit(task(LONG))\n"
        "    print(w._workers[0].process.pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    script = tmp_path / "driver.py"
    script.write_text(code, encoding="utf-8")
    driver = subprocess.Popen(
        [sys.executable, script, tmp_path / "log"], stdout=subprocess.PIPE, text=True
    )
    with driver:
        worker = int(driver.stdout.readline())
        driver.kill()
    deadline = time.monotonic() + 20
    while _is_alive(worker):
        assert time.monotonic() < deadline, "the worker outlived its driver"
        time.sleep(0.1)


def _is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not stat.exists() or stat.read_text(encoding="utf-8").split()[2] != "Z"
