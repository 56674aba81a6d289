"""Join a Ray cluster, compare its nodes with this machine, and notice its loss."""

from __future__ import annotations

import logging
import os
import platform
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from ray.job_config import JobConfig

import search_spaces
import tuner
from search_spaces.errors import ExpectedError
from tuner.study.tasks import Ready
from tuner.system import patches
from tuner.workers.local import WorkerStartError

_CONNECT_S = 20.0
_CHECK_S = 1.0
_NOT_READY = "Initialization failure from server"  # Ray Client's message
_TRIES, _PAUSE_S = 4, 10.0


class ClusterLostError(ExpectedError):
    """The connection to the cluster was lost."""


@contextmanager
def losses_reported(address: str) -> Iterator[None]:
    """Turn Ray's errors into one that says that the cluster is lost.

    Raises:
        ClusterLostError: Ray could not reach the cluster.
    """
    try:
        yield
    except (RayError, ConnectionError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ClusterLostError(_lost(address, reason)) from error


def _lost(address: str, reason: str) -> str:
    return (
        f"The Ray cluster at {address} no longer responds: {reason.rstrip('.')}. "
        "Finished trials are saved. Run the same command again to resume once the "
        "cluster is back."
    )


class Pulse:
    """Checks that a joined cluster still responds, before each use of Ray.

    Ray ends this process without a message some time after the cluster's head, or the
    node on this machine, has died. Ray Client raises an error instead.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._endpoints: dict[str, list[str]] = {}  # by what their silence means
        self._checked = 0.0
        if address.startswith("ray://"):
            return
        context = ray.get_runtime_context()
        here = next(n for n in ray.nodes() if n["NodeID"] == context.get_node_id())
        self._endpoints = {
            "its head is gone": context.gcs_address.rsplit(":", 1),
            "its node on this machine is gone": [
                here["NodeManagerAddress"],
                str(here["NodeManagerPort"]),
            ],
        }

    def check(self) -> None:
        """Connect to the head and this machine's node, at most once per second.

        Raises:
            ClusterLostError: One of them does not listen.
        """
        if time.monotonic() - self._checked < _CHECK_S:
            return
        for loss, endpoint in self._endpoints.items():
            try:
                _check_port(*endpoint)
            except OSError as error:
                raise ClusterLostError(_lost(self._address, loss)) from error
        self._checked = time.monotonic()


class _Job(JobConfig):  # type: ignore[misc]
    """Keeps the working folder, whose files may have our modules' names, off the path.

    Ray puts it first on the workers' path unless the job has a folder of its own.
    """

    def _runtime_env_has_working_dir(self) -> bool:
        return True


def connect(address: str) -> None:
    """Join a cluster, or start one on this machine only.

    Raises:
        WorkerStartError: There is no cluster at that address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # of a cluster that we start
    packages = [str(Path(p.__path__[0])) for p in (tuner, search_spaces)]
    names = ("KERAS_BACKEND", patches.PLAIN)
    variables = {name: os.environ[name] for name in names if name in os.environ}
    on_term = signal.getsignal(signal.SIGTERM)
    local: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    if not address.startswith("ray://"):  # Ray Client omits the working folder itself
        local["job_config"] = _Job()
    try:
        if (host_port := address.removeprefix("ray://")).rpartition(":")[2].isdigit():
            _check_port(*host_port.rsplit(":", 1))  # Ray would retry for many minutes
        _join(
            address=address,
            runtime_env={"py_modules": packages, "env_vars": variables},
            log_to_driver=False,
            logging_level=logging.ERROR,
            **local,
        )
    except (OSError, RuntimeError, ValueError, RayError) as error:
        lines = str(error).strip().splitlines()
        # The last line of a server's traceback is the reason.
        reason = lines[-1 if _NOT_READY in lines[0] else 0].strip().rstrip(".")
        if "RAY_AUTH_MODE" not in os.environ:
            reason += " (if the cluster needs a token, set RAY_AUTH_MODE=token)"
        raise WorkerStartError(
            f"--ray must name a running Ray cluster, got {address}: {reason}. "
            "Start one with ray start --head. On a single machine, use --ray local or "
            "remove --ray."
        ) from error
    finally:
        signal.signal(signal.SIGTERM, on_term)


def _join(**options: Any) -> None:
    """Call `ray.init`, and retry if the cluster listens but accepts no clients yet."""
    for left in reversed(range(_TRIES)):
        try:
            ray.init(**options)
        except ConnectionAbortedError as error:
            if not left or _NOT_READY not in str(error):
                raise
            time.sleep(_PAUSE_S)
        else:
            return


def _check_port(host: str, port: str) -> None:
    """Raise OSError if nothing listens on the port."""
    socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()


def alive() -> list[str]:
    """List the ids of the nodes that are up."""
    return [node["NodeID"] for node in ray.nodes() if node["Alive"]]


def differences(ready: Ready | None) -> str:
    """Describe how a node's Python, Keras and backend differ from this machine's."""
    import keras

    backend = keras.backend.backend()
    here = {"python": platform.python_version(), "backend": backend}
    here |= {name: version(name) for name in ("keras", backend)}
    there = ready.versions if ready else {}
    return ", ".join(
        f"its {name} is {there.get(name, 'missing')}, this machine's is {value}"
        for name, value in here.items()
        if there.get(name) != value
    )
