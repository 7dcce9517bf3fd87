"""The machines of a run, as listed in the environment variable TF_CONFIG.

{"cluster": {"worker": ["first:12345", "second:12345"]}, "task": {"type": "worker", "index": 0}}
"""

import contextlib
import dataclasses
import json
import os
import re
import socket
import time
from collections.abc import Mapping

from darts_adv_tf.system.errors import CommunicationError, ConfigurationError

VARIABLE = "TF_CONFIG"
_EXAMPLE = (
    '{"cluster": {"worker": ["first:12345", "second:12345"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
_ADDRESS = re.compile(r"(\S+):(\d{1,5})")
_GREETING, _ANSWER = b"darts_adv_tf worker ", b"all workers are here\n"
_RETRY_SECONDS = 0.3


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a run, and the index of this one.

    Args:
        workers: Their addresses, `host:port`, in the same order in all of them.
        index: The index of this process among them.
    """

    workers: tuple[str, ...]
    index: int

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run's files: worker 0."""
        return self.index == 0


def read_cluster(environment: Mapping[str, str] = os.environ) -> Cluster:
    """Returns the cluster that TF_CONFIG describes.

    Raises:
        ConfigurationError: It is not set, or is malformed.
    """
    text = environment.get(VARIABLE)
    if text is None:
        raise _refused("not set")
    try:
        content = json.loads(text)
        workers, task = content["cluster"].pop("worker"), content["task"]
        # A string or a number, but not 0.5, which int would turn into 0.
        index = int(str(task["index"]))
        is_known = task["type"] == "worker" and not content["cluster"]
        is_sound = isinstance(workers, list) and all(map(_ADDRESS.fullmatch, workers))
        is_sound &= len(set(workers)) == len(workers)
        is_sound &= all(int(worker.rpartition(":")[2]) < 2**16 for worker in workers)
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise _refused(text) from error
    if not (is_known and is_sound and 0 <= index < len(workers)):
        raise _refused(text)
    return Cluster(tuple(workers), index)


def meet(cluster: Cluster, seconds: float) -> None:
    """Waits until every worker of the cluster has called this function.

    TensorFlow waits for them too, but ignores all signals meanwhile; here SIGTERM ends the wait.
    Workers report to the chief, at the port where its TensorFlow will listen.

    Raises:
        CommunicationError: Some have not reported after `seconds`, or the port is in use.
    """
    deadline = time.monotonic() + seconds
    host, _, port = cluster.workers[0].rpartition(":")
    if cluster.is_chief:
        missing = _receive(int(port), set(range(1, len(cluster.workers))), deadline)
    else:
        missing = _report(host.strip("[]"), int(port), cluster.index, deadline)
    if missing:
        names = [f"{index} at {cluster.workers[index]}" for index in sorted(missing)]
        raise CommunicationError(
            f"Every worker of {VARIABLE} must start within {seconds:g} seconds.",
            received=f"nothing from worker {', '.join(names)}",
            remedy="Make sure that all workers run the same command and can reach each other.",
        )


def _receive(port: int, missing: set[int], deadline: float) -> set[int]:
    """Waits for all reports and answers them; returns the workers that did not report."""
    is_dual = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if is_dual else socket.AF_INET
    reports: dict[int, socket.socket] = {}
    with contextlib.ExitStack() as connections:
        try:
            server = socket.create_server(("", port), family=family, dualstack_ipv6=is_dual)
        except OSError as error:
            raise CommunicationError(
                "The chief must be able to listen at its own address.",
                received=f"port {port}: {error.strerror}",
                remedy=f"End the program that uses this port, or choose another in {VARIABLE}.",
            ) from error
        connections.enter_context(server).settimeout(_RETRY_SECONDS)
        while missing - reports.keys() and time.monotonic() < deadline:
            # A connection that sends too little, or too late, is closed: a worker tries again.
            with contextlib.suppress(OSError, ValueError), contextlib.ExitStack() as accepted:
                connection = accepted.enter_context(server.accept()[0])
                connection.settimeout(_RETRY_SECONDS)
                with connection.makefile("rb") as stream:
                    line = stream.readline(len(_GREETING) + 10)
                index = int(line[len(_GREETING) :])
                if line.startswith(_GREETING) and index in missing:
                    reports[index] = connection
                    connections.enter_context(accepted.pop_all())
        if missing <= reports.keys():
            for connection in reports.values():
                # A worker that has died since is reported when TensorFlow starts.
                with contextlib.suppress(OSError):
                    connection.sendall(_ANSWER)
    return missing - reports.keys()


def _report(host: str, port: int, index: int, deadline: float) -> set[int]:
    """Reports to the chief until it answers; returns its index if it does not."""
    while (remaining := deadline - time.monotonic()) > 0:
        with (
            contextlib.suppress(OSError),
            socket.create_connection((host, port), timeout=remaining) as connection,
        ):
            connection.sendall(_GREETING + f"{index}\n".encode())
            with connection.makefile("rb") as stream:
                if stream.readline(len(_ANSWER)) == _ANSWER:
                    return set()
        time.sleep(_RETRY_SECONDS)
    return {0}


def _refused(received: str) -> ConfigurationError:
    return ConfigurationError(
        f"{VARIABLE} must list the address of every worker, under the name worker only, and the "
        "index of this one.",
        received=f"{VARIABLE}: {received}",
        remedy=f"Set it as {VARIABLE}='{_EXAMPLE}' (BUILD.md).",
    )
