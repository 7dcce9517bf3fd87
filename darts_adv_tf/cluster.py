"""The machines of a run, as the environment variable TF_CONFIG names them.

{"cluster": {"worker": ["first:12345", "second:12345"]}, "task": {"type": "worker", "index": 0}}
"""

import dataclasses
import json
import os
from collections.abc import Mapping

from darts_adv_tf.errors import ConfigurationError

VARIABLE = "TF_CONFIG"


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a run and which of them this process is.

    Args:
        workers: Their addresses, `host:port`, in an order that all of them share.
        index: The place of this process among them.
    """

    workers: tuple[str, ...]
    index: int

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run's files: worker 0."""
        return self.index == 0


def read_cluster(environment: Mapping[str, str] = os.environ) -> Cluster:
    """The cluster that TF_CONFIG describes.

    Raises:
        ConfigurationError: It is not set, or of another form.
    """
    text = environment.get(VARIABLE)
    if text is None:
        raise _refused("no such variable")
    try:
        content = json.loads(text)
        workers, task = content["cluster"].pop("worker"), content["task"]
        # A text as well as a number; 0.5, of which int would make 0, is neither.
        index = int(str(task["index"]))
        is_known = task["type"] == "worker" and not content["cluster"]
        is_sound = isinstance(workers, list) and all(
            isinstance(worker, str) and worker for worker in workers
        )
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise _refused(text) from error
    if not (is_known and is_sound and 0 <= index < len(workers)):
        raise _refused(text)
    return Cluster(tuple(workers), index)


def _refused(received: str) -> ConfigurationError:
    return ConfigurationError(
        f"--strategy=multi_worker reads from {VARIABLE} the address of every worker, under no name "
        "but worker, and which of them this process is.",
        received=f"{VARIABLE}: {received}",
        remedy=f'Set it as {VARIABLE}=\'{{"cluster": {{"worker": ["host:port", "host:port"]}}, '
        '"task": {"type": "worker", "index": 0}}\'; BUILD.md shows how.',
    )
