"""A machine's cores and GPUs, shared out to the runs that it makes at a time."""

import dataclasses
import itertools
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_SECONDS_TO_LIST_GPUS = 20


@dataclasses.dataclass(frozen=True)
class Share:
    """What a run has to itself.

    Attributes:
        cores: Numbers of the processors that it may run on, by which it sizes its pools.
        environment: Variables that it is started with, in addition to those of this process.
    """

    cores: tuple[int, ...]
    environment: Mapping[str, str]


def make_shares(number: int) -> list[Share]:
    """This machine in `number` parts.

    Parts have as many GPUs, so that all runs train on as many replicas: a rest of them is left
    alone. Cores, on which no result depends, are all shared out. Where there are fewer cores or
    GPUs than parts, parts share them in turn.
    """
    cores = split(sorted(os.sched_getaffinity(0)), number)
    if number == 1:
        return [Share(tuple(cores[0]), {})]
    gpus = list_gpus()
    if not gpus:
        return [Share(tuple(part), {}) for part in cores]
    if len(gpus) > number:
        gpus = gpus[: len(gpus) // number * number]
    # Each TensorFlow takes all of a GPU's memory at once, unless told otherwise.
    growth = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"} if len(gpus) < number else {}
    return [
        Share(tuple(part), {_VISIBLE: ",".join(own), **growth})
        for part, own in zip(cores, split(gpus, number), strict=True)
    ]


def split(items: Sequence, number: int) -> list[list]:
    """Neighbours in `number` parts as equal as possible, none of them empty.

    Example:
        >>> split("abcde", 2), split("ab", 3)
        ([['a', 'b', 'c'], ['d', 'e']], [['a'], ['b'], ['a']])
    """
    if len(items) < number:
        return [[items[index % len(items)]] for index in range(number)]
    size, rest = divmod(len(items), number)
    starts = [index * size + min(index, rest) for index in range(number + 1)]
    return [list(items[start:end]) for start, end in itertools.pairwise(starts)]


def list_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them.

    Without TensorFlow, which would take hold of them.
    """
    if _VISIBLE in os.environ:
        return [name for name in os.environ[_VISIBLE].split(",") if name not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"],
            capture_output=True,
            text=True,
            timeout=_SECONDS_TO_LIST_GPUS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []  # A driver that does not answer has none to share.
    lines = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return [str(index) for index in range(len(lines))]
