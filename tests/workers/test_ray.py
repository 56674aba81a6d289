"""Promises of a search on a Ray cluster, with a real one on this machine."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SPACE = """
from dataclasses import replace
from search_spaces.config import BASELINE

def sample(hp, base=BASELINE):
    width = hp.Choice("width", [2, 4, 6, 8, 10, 12])
    return replace(base, filters=(width,), units=(16,))
"""
SEARCH = ["--space", "space.py", "--dataset", "digits", "--no-report"]


@pytest.fixture
def folder(tmp_path):
    """A user's folder with a space file in it."""
    (tmp_path / "space.py").write_text(SPACE, encoding="utf-8")
    return tmp_path


class _Cluster:
    """Two raylets; see `ray_cluster.py`."""

    def __init__(self, *arguments):
        script = Path(__file__).parents[1] / "ray_cluster.py"
        self.process = subprocess.Popen(
            [sys.executable, script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.address = self.process.stdout.readline().strip()

    def lose(self, what):
        self.process.stdin.write(f"lose {what}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "lost\n"

    def close(self):
        self.process.communicate(timeout=180)


@pytest.fixture
def cluster():
    """Start a cluster, and end it with the test."""
    started = []

    def start(*arguments):
        started.append(_Cluster(*arguments))
        return started[-1]

    yield start
    for each in started:
        each.close()


def _start(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "tuner", *SEARCH, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _tune(folder, *arguments, check=0):
    process = _start(folder, *arguments)
    stdout, stderr = process.communicate()
    assert process.returncode == check, stderr[-3000:]
    return stdout, stderr


def _records(folder):
    paths = sorted((folder / "runs/space-digits/trials").glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def _both_train(folder):
    """Whether two workers are in the middle of a training each."""
    running = [r for r in _records(folder) if r["status"] == "running"]
    return len([r for r in running if r["executions"][0]["epochs"] > 2]) == 2


def _results(records):
    return [
        (
            r["config"],
            [(e["seed"], e["history"], e["test_loss"]) for e in r["executions"]],
        )
        for r in records
    ]


def _wait_for(happened, process, seconds=120):
    deadline = time.monotonic() + seconds
    while not happened():
        assert process.poll() is None, process.communicate()[1][-3000:]
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def test_a_cluster_computes_what_this_machine_computes(folder):
    """The same bits, states and predictions; the loop does not know where."""
    search = ["-n", "3", "--epochs", "3", "--deterministic"]
    _, stderr = _tune(folder, *search, "--ray", "local")
    assert "on a Ray cluster of 1 node" in stderr
    there = _records(folder)
    study = folder / "runs/space-digits"
    assert len(list(study.glob("trials/*/predictions-0.npz"))) == 4
    assert list(study.glob("trials/*/state-0.npz"))

    _tune(folder, *search, "--workers", "1", "--overwrite")
    assert _results(there) == _results(_records(folder))
    assert [r["status"] for r in there] == ["completed"] * 4


def test_a_node_that_is_lost_costs_no_trial(folder, cluster):
    """Its training starts again elsewhere from its last state; nothing runs twice."""
    two = cluster()
    search = ["--epochs", "200", "-n", "3", "--seed", "1"]
    process = _start(folder, *search, "--ray", two.address)
    _wait_for(lambda: _both_train(folder), process)
    two.lose("node")
    _, stderr = process.communicate()

    assert process.returncode == 0, stderr[-3000:]
    assert "was lost; trying again" in stderr
    records = _records(folder)
    assert [r["trial"] for r in records] == [0, 1, 2, 3]
    assert [r["status"] for r in records] == ["completed"] * 4
    assert [len(r["executions"][0]["history"]["loss"]) for r in records] == [200] * 4
    lost = [e["attempts"] for r in records for e in r["executions"]]
    assert lost == [0] * 4  # no trial is to blame


@pytest.mark.parametrize(
    ("what", "said"),
    [("head", "its head is gone"), ("here", "its node on this machine is gone")],
)
def test_a_cluster_that_is_gone_is_said_in_words(folder, cluster, what, said):
    """Ray would end the process without one; the records are kept."""
    two = cluster()
    process = _start(folder, "--epochs", "5000", "-n", "2", "--ray", two.address)
    _wait_for(lambda: _both_train(folder), process)
    two.lose(what)
    _, stderr = process.communicate(timeout=180)

    assert process.returncode == 1
    assert said in stderr, stderr[-3000:]
    assert "Traceback" not in stderr
    assert [r["status"] for r in _records(folder)] == ["running"] * 2


def test_a_node_with_another_keras_is_refused_by_name(folder, cluster, tmp_path):
    """It is left out, and the others do the work."""
    fake = tmp_path / "fake" / "keras-3.0.1.dist-info"
    fake.mkdir(parents=True)
    (fake / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: keras\nVersion: 3.0.1\n", encoding="utf-8"
    )
    two = cluster(str(fake.parent))

    _, stderr = _tune(folder, "--epochs", "20", "-n", "3", "--ray", two.address)

    assert "is not used: its keras is 3.0.1, this machine's is" in stderr
    assert [r["status"] for r in _records(folder)] == ["completed"] * 4


def test_ray_client_reaches_a_cluster_from_outside(folder, monkeypatch):
    """`ray://`, as from a laptop; the cluster may ask for a token."""
    ray = Path(sys.executable).with_name("ray")
    ports = ["--port", "20601", "--ray-client-server-port", "20602"]
    head = subprocess.Popen(
        [ray, "start", "--head", "--block", "--num-cpus", "2", *ports],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = ("127.0.0.1", 20602)
        _wait_for(lambda: _is_open(address), head)
        if (Path.home() / ".ray" / "auth_token").is_file():
            monkeypatch.setenv("RAY_AUTH_MODE", "token")
        search = ["-n", "3", "--epochs", "3"]
        _, stderr = _tune(folder, *search, "--ray", "ray://127.0.0.1:20602")
        assert "on a Ray cluster of 1 node" in stderr
        assert [r["status"] for r in _records(folder)] == ["completed"] * 4
    finally:
        head.terminate()
        head.wait(60)


def test_a_killed_ray_worker_is_replaced(folder, cluster):
    """Killed by hand or for memory: the trial is tried again."""
    two = cluster()
    process = _start(folder, "--epochs", "200", "-n", "2", "--ray", two.address)
    _wait_for(lambda: _both_train(folder), process)
    workers = _processes("ray::_Actor")  # another test's may run beside these
    ours = [pid for pid in workers if two.process.pid in _ancestors(pid)]
    os.kill(ours[0], signal.SIGKILL)
    _, stderr = process.communicate()

    assert process.returncode == 0, stderr[-3000:]
    assert "trying again" in stderr
    assert [r["status"] for r in _records(folder)] == ["completed"] * 3


def test_no_ray_process_outlives_its_driver(folder):
    """Also one that is killed, with the cluster that it started for itself."""
    before = set(_processes("ray"))
    process = _start(folder, "--epochs", "500", "-n", "2", "--ray", "local")
    _wait_for(
        lambda: any(r["executions"][0]["epochs"] > 2 for r in _records(folder)), process
    )
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 60
    while set(_processes("ray::_Actor")) - before:
        assert time.monotonic() < deadline, "a Ray worker outlived its driver"
        time.sleep(0.2)


@pytest.mark.parametrize(("refusals", "joins"), [(2, True), (99, False)])
def test_a_cluster_that_is_still_starting_is_tried_again(monkeypatch, refusals, joins):
    """Its port is open before it takes clients; then the last line says why not."""
    from tuner.workers import ray_cluster
    from tuner.workers.local import WorkerStartError

    tries = []

    def init(**given):
        tries.append(given["address"])
        if len(tries) <= refusals:
            raise ConnectionAbortedError(
                "Initialization failure from server:\nTraceback:\nToo early."
            )

    monkeypatch.setattr(ray_cluster.ray, "init", init)
    monkeypatch.setattr(ray_cluster, "_check_port", lambda *_: None)
    monkeypatch.setattr(ray_cluster, "_PAUSE_S", 0.0)
    if joins:
        ray_cluster.connect("ray://far:10001")
        assert len(tries) == refusals + 1
    else:
        with pytest.raises(WorkerStartError, match=r"got ray://far:10001: Too early"):
            ray_cluster.connect("ray://far:10001")


def test_an_address_without_a_cluster_is_an_error(folder):
    """One line that says what to do, and no study."""
    _, stderr = _tune(folder, "--ray", "127.0.0.1:1", check=1)
    assert "--ray must name a running Ray cluster, got 127.0.0.1:1" in stderr
    assert "Traceback" not in stderr
    assert not (folder / "runs/space-digits/study.json").exists()


def _is_open(address):
    try:
        socket.create_connection(address, timeout=1).close()
    except OSError:
        return False
    return True


def _processes(name):
    """List the processes whose command begins with a name."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:
            continue
        if command.startswith(name.encode()):
            found.append(int(path.parent.name))
    return found


def _ancestors(pid):
    """List the processes that a process descends from."""
    ancestors = []
    while pid > 1:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        pid = int(stat.rpartition(")")[2].split()[1])  # names may hold spaces
        ancestors.append(pid)
    return ancestors


_TRAVELLED = """
import ray
from tuner.workers.ray_cluster import connect

def packages():
    import pathlib, search_spaces, tuner
    return [
        sorted(str(p.relative_to(root.parent)) for p in root.rglob("*.py"))
        + ["travelled" if "py_modules_files" in str(root) else str(root)]
        for root in (pathlib.Path(p.__path__[0]) for p in (tuner, search_spaces))
    ]

connect("local")
print(*sum(ray.get(ray.remote(packages).remote()), []), sep="\\n")
"""


def test_the_whole_package_travels(tmp_path):
    """Every room of it, and a node imports that and not what it has itself."""
    done = subprocess.run(
        [sys.executable, "-c", _TRAVELLED],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    root = Path(__file__).parents[2]
    expected = ["travelled", "travelled"]
    for package in ("tuner", "search_spaces"):
        modules = (root / package).rglob("*.py")
        expected += [str(path.relative_to(root)) for path in modules]
    assert sorted(done.stdout.split()) == sorted(expected), done.stderr[-2000:]
