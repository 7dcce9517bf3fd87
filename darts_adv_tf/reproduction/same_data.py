"""Checks that the runs of a matrix were made of the same data, so that they can be compared."""

import math
from collections.abc import Iterator, Mapping

from darts_adv_tf.reproduction.averages import METRICS
from darts_adv_tf.reproduction.results import RunResult
from darts_adv_tf.system.errors import DataError


def find_other_data(results: Mapping[str, RunResult]) -> dict[str, DataError]:
    """Finds the runs that were made of other data than the first ones.

    All runs have the same cases, those of a seed the same split, and those of a backbone and seed
    the same masks, which shows in what the trivial baselines reach.

    Args:
        results: Finished runs by name, in the order of the matrix.

    Returns:
        What is the matter with a run, by name; of those that agree with the first, nothing.
    """
    found = {}
    firsts: dict[tuple, RunResult] = {}
    for name, run in results.items():
        for key in [(), (run.seed,), (run.backbone, run.seed)]:
            first = firsts.setdefault(key, run)
            received = next(_differences(first, run, len(key)), None)
            if received is not None:
                found[name] = DataError(
                    "The runs of a matrix must be made of the same data, and those of a seed of "
                    "the same split.",
                    received=f"{received} than in {first.workdir}",
                    file=run.workdir,
                    remedy="Remove the one that is out of date, and the same command makes it "
                    "again; or make another matrix in another --workdir.",
                )
                break
    return found


def _differences(first: RunResult, run: RunResult, num_shared: int) -> Iterator[str]:
    """In what runs differ that have nothing, their seed, or their backbone too in common."""
    others = first.split.keys() ^ run.split.keys()
    if others:
        yield f"{len(run.split)} cases, {len(others)} of them other ones,"
    if num_shared >= 1:
        moved = [case for case, part in run.split.items() if part != first.split.get(case)]
        if moved:
            yield f"{len(moved)} cases in another part, such as {moved[0]},"
        if run.cases.keys() != first.cases.keys():
            yield "other test cases"
    if num_shared == 2:
        for name, row in run.metrics["baselines"].items():
            expected = first.metrics["baselines"].get(name, {})
            for metric in filter(row.__contains__, METRICS):
                if not _is_close(row[metric], expected.get(metric)):
                    yield f"another {metric} of the baseline {name}, {row[metric]},"


def _is_close(first: float | None, second: float | None) -> bool:
    if first is None or second is None:
        return first is second
    # Other machines may round otherwise.
    return math.isclose(first, second, rel_tol=1e-6, abs_tol=1e-9)
