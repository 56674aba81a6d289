"""A Ray cluster as a whole: joining it, what its nodes are, and losing it."""

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

_KNOCK_S = 20.0
_PULSE_S = 1.0
_NOT_YET = "Initialization failure from server"  # as Ray Client says it
_TRIES, _PAUSE_S = 4, 10.0


class ClusterLostError(ExpectedError):
    """A cluster that was there is there no more."""


@contextmanager
def losses_reported(address: str) -> Iterator[None]:
    """Say in words that a cluster is gone.

    Raises:
        ClusterLostError: Ray could not reach it.
    """
    try:
        yield
    except (RayError, ConnectionError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ClusterLostError(_lost(address, reason)) from error


def _lost(address: str, reason: str) -> str:
    return (
        f"The Ray cluster at {address} does not answer any more: {reason.rstrip('.')}. "
        "Finished trials are kept; the same command goes on with the others once it "
        "is back."
    )


class Pulse:
    """Whether a joined cluster is still there, asked before Ray is asked for more.

    Ray ends this process without a word some time after the cluster's head, or the
    node on this machine, has died. Ray Client raises an error of its own instead.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._places: dict[str, list[str]] = {}
        self._asked = 0.0
        if address.startswith("ray://"):
            return
        context = ray.get_runtime_context()
        here = next(n for n in ray.nodes() if n["NodeID"] == context.get_node_id())
        self._places = {
            "its head is gone": context.gcs_address.rsplit(":", 1),
            "its node on this machine is gone": [
                here["NodeManagerAddress"],
                str(here["NodeManagerPort"]),
            ],
        }

    def check(self) -> None:
        """Knock at the head and at this machine's node, at most once a second.

        Raises:
            ClusterLostError: One of them does not listen.
        """
        if time.monotonic() - self._asked < _PULSE_S:
            return
        for loss, place in self._places.items():
            try:
                _knock(*place)
            except OSError as error:
                raise ClusterLostError(_lost(self._address, loss)) from error
        self._asked = time.monotonic()


class _Job(JobConfig):  # type: ignore[misc]
    """Leaves the working folder, whose files may be named as ours, off the path.

    Ray puts it first on the workers' path, unless a job brings a folder of its own.
    """

    def _runtime_env_has_working_dir(self) -> bool:
        return True


def connect(address: str) -> None:
    """Join a cluster, or start one of this machine alone.

    Raises:
        WorkerStartError: There is none at that address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # of one of our own
    packages = [str(Path(p.__path__[0])) for p in (tuner, search_spaces)]
    names = ("KERAS_BACKEND", patches.PLAIN)
    chosen = {name: os.environ[name] for name in names if name in os.environ}
    on_term = signal.getsignal(signal.SIGTERM)
    local: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    if not address.startswith("ray://"):  # there Ray leaves the working folder out
        local["job_config"] = _Job()
    try:
        if (host_port := address.removeprefix("ray://")).rpartition(":")[2].isdigit():
            _knock(*host_port.rsplit(":", 1))  # Ray itself tries for many minutes
        _join(
            address=address,
            runtime_env={"py_modules": packages, "env_vars": chosen},
            log_to_driver=False,
            logging_level=logging.ERROR,
            **local,
        )
    except (OSError, RuntimeError, ValueError, RayError) as error:
        lines = str(error).strip().splitlines()
        # A server's traceback says at its end what was wrong.
        reason = lines[-1 if _NOT_YET in lines[0] else 0].strip().rstrip(".")
        if "RAY_AUTH_MODE" not in os.environ:
            reason += " (if it asks for a token, set RAY_AUTH_MODE=token)"
        raise WorkerStartError(
            f"--ray must name a running Ray cluster, got {address}: {reason}. "
            "Start one with ray start --head, or use --ray local; on one machine "
            "--ray is not needed."
        ) from error
    finally:
        signal.signal(signal.SIGTERM, on_term)


def _join(**given: Any) -> None:
    """Call `ray.init`, again where a cluster listens and cannot take clients yet."""
    for left in reversed(range(_TRIES)):
        try:
            ray.init(**given)
        except ConnectionAbortedError as error:
            if not left or _NOT_YET not in str(error):
                raise
            time.sleep(_PAUSE_S)
        else:
            return


def _knock(host: str, port: str) -> None:
    """Raise OSError where nobody listens."""
    socket.create_connection((host, int(port)), timeout=_KNOCK_S).close()


def alive() -> list[str]:
    """List the ids of the nodes that are up."""
    return [node["NodeID"] for node in ray.nodes() if node["Alive"]]


def differences(ready: Ready | None) -> str:
    """Say in which of Python, Keras and backend a node is not this machine."""
    import keras

    backend = keras.backend.backend()
    here = {"python": platform.python_version(), "backend": backend}
    here |= {name: version(name) for name in ("keras", backend)}
    there = ready.versions if ready else {}
    return ", ".join(
        f"its {name} is {there.get(name, 'missing')}, here it is {value}"
        for name, value in here.items()
        if there.get(name) != value
    )
