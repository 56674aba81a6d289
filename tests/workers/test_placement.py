"""How many workers, where, and with how many threads."""

import stat

import pytest

from tuner.system import machine
from tuner.workers import placement
from tuner.workers.placement import Placement, place, visible_gpus

GIB = 1024**3

TWO_GPUS = """\
GPU 0: NVIDIA H200 (UUID: GPU-aaaa)
GPU 1: NVIDIA H200 (UUID: GPU-bbbb)
"""
SLICED = """\
GPU 0: NVIDIA H200 (UUID: GPU-aaaa)
  MIG 1g.18gb     Device  0: (UUID: MIG-1111)
  MIG 1g.18gb     Device  1: (UUID: MIG-2222)
GPU 1: NVIDIA H200 (UUID: GPU-bbbb)
"""


@pytest.fixture
def machine_of(monkeypatch):
    """Pretend a machine: cores, free memory, GPUs."""

    def pretend(cores, memory=None, gpus=()):
        monkeypatch.setattr(placement, "cores", lambda: cores)
        monkeypatch.setattr(placement, "free_memory_bytes", lambda: memory)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(gpus) or "-1")

    return pretend


def _place(workers=None, device="auto", *, trainings=100, learns=False, **more):
    return place(workers, device, trainings=trainings, learns=learns, **more)


@pytest.mark.parametrize(
    ("cores", "memory", "asked", "expected"),
    [
        (1, 64 * GIB, (100, False), (1, None)),
        (2, 64 * GIB, (100, False), (2, 1)),
        (16, 64 * GIB, (100, False), (16, 1)),
        (16, None, (100, False), (16, 1)),
        (16, 6 * GIB, (100, False), (4, 4)),
        (16, GIB, (100, False), (1, None)),
        (16, 64 * GIB, (3, False), (3, 5)),
        (16, 64 * GIB, (21, True), (5, 3)),
        (16, 64 * GIB, (1, True), (1, None)),
    ],
)
def test_a_cpu_gets_one_worker_per_core(machine_of, cores, memory, asked, expected):
    """As far as memory, the trials and a search that learns allow."""
    machine_of(cores, memory)
    found = _place(trainings=asked[0], learns=asked[1])
    assert (found.count, found.threads) == expected
    assert set(found.gpus) == {None}
    assert found.fallback == Placement()


def test_each_gpu_gets_a_worker_that_sees_it_alone(machine_of):
    """Four GPUs are never left idle; several workers share one when asked."""
    machine_of(16, gpus=["0", "1", "2", "3"])
    assert _place().gpus == ("0", "1", "2", "3")
    assert _place(per_gpu=2).gpus == ("0", "1", "2", "3") * 2
    assert _place(6).gpus == ("0", "1", "2", "3", "0", "1")
    assert _place(trainings=2).gpus == ("0", "1")
    assert _place().threads == 4
    assert _place(device="cpu").count == 16


def test_what_a_user_says_is_done(machine_of):
    """The cores are shared, and determinism keeps to one thread."""
    machine_of(8, GIB)
    assert _place(4) == Placement((None,) * 4, 2)
    assert _place(1) == Placement()
    assert _place(16).threads == 1
    assert _place(1, deterministic=True).threads == 1
    assert _place(2, deterministic=True).threads == 1


def test_a_backend_that_sees_other_devices_is_believed(machine_of):
    """Listed GPUs that it cannot use leave the CPU; a GPU nobody listed, one worker."""
    machine_of(4, 64 * GIB, gpus=["0", "1"])
    unusable = _place().for_backend(on_gpu=False)
    assert unusable.gpus == (None,) * 4
    machine_of(4, 64 * GIB)
    unlisted = _place().for_backend(on_gpu=True)
    assert (unlisted.gpus, unlisted.threads) == ((None,), None)
    told = _place(3)
    assert told.for_backend(on_gpu=True) == told


def test_the_line_says_how_many_and_why(machine_of):
    """One worker with the whole machine says nothing."""
    machine_of(2, 64 * GIB)
    assert _place().description() == "2 trials at a time, 1 thread each; one per core"
    assert _place(1).description() == ""
    machine_of(16, 64 * GIB)
    assert (
        "because the search learns from results"
        in _place(trainings=20, learns=True).description()
    )
    machine_of(16, gpus=["0", "1"])
    assert _place(per_gpu=2).description().endswith("; 2 per GPU")


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        (TWO_GPUS, ["GPU-aaaa", "GPU-bbbb"]),
        (SLICED, ["MIG-1111", "MIG-2222", "GPU-bbbb"]),
        ("No devices found.\n", []),
    ],
)
def test_gpus_are_those_that_the_driver_lists(monkeypatch, tmp_path, listing, expected):
    """By UUID; a sliced one is its slices."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{listing}END\n", encoding="utf-8")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus() == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", []), ("-1", []), ("2", ["2"]), ("0, 3", ["0", "3"]), ("GPU-a", ["GPU-a"])],
)
def test_the_environment_narrows_the_gpus(monkeypatch, value, expected):
    """As a cluster's scheduler sets it."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert visible_gpus() == expected


def test_a_containers_limits_count(monkeypatch, tmp_path):
    """Its share of cores and memory, not the machine's."""
    free, cores = machine.free_memory_bytes(), machine.cores()
    for name, text in [
        ("cpu.max", "100000 100000"),
        ("memory.max", str(2 * GIB)),
        ("memory.current", str(GIB // 2)),
    ]:
        (tmp_path / name).write_text(text, encoding="ascii")
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    assert machine.cores() == 1
    assert machine.memory_bytes() == 2 * GIB
    assert machine.free_memory_bytes() <= 3 * GIB // 2
    (tmp_path / "cpu.max").write_text("max 100000", encoding="ascii")
    (tmp_path / "memory.max").write_text("max", encoding="ascii")
    assert machine.cores() == cores
    assert free is None or machine.free_memory_bytes() > 0
