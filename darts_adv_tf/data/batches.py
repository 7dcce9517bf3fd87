"""The order in which training meets its cases."""

import math
from collections.abc import Sequence

import numpy as np


def batch_indices(cases: Sequence[int], batch_size: int, seed: int, step: int) -> np.ndarray:
    """Returns the cases of one batch: a pure function of its arguments.

    The batches cut an endless stream of permutations of `cases`, one an epoch. Hence every batch
    is full, every case occurs once a pass, and a run can resume at any step without a state. The
    permutation is keyed by the seed, the epoch and the cases, so that streams of different cases
    are independent under one seed.

    Args:
        cases: Distinct indices of cases.
        batch_size: Number of cases in a batch.
        seed: Not negative.
        step: Number of the batch, from 0.

    Returns:
        int64 (batch_size,).

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> sorted(np.concatenate([batch_indices((3, 5, 7, 9), 2, seed=0, step=s) for s in (0, 1)]))
        [3, 5, 7, 9]
    """
    if not len(cases) or batch_size < 1 or step < 0:
        raise ValueError(
            "A batch needs cases, a size of at least 1 and a step of at least 0. "
            f"Received: {len(cases)} cases, batch_size={batch_size}, step={step}"
        )
    epochs, places = np.divmod(step * batch_size + np.arange(batch_size), len(cases))
    batch = np.empty(batch_size, np.int64)
    for epoch in range(epochs[0], epochs[-1] + 1):
        order = np.random.default_rng((seed, epoch, *cases)).permutation(len(cases))
        batch[epochs == epoch] = np.asarray(cases)[order[places[epochs == epoch]]]
    return batch


def epoch_ends(num_epochs: int, num_cases: int, batch_size: int) -> list[int]:
    """Returns, for each epoch, the number of steps after which every case has occurred so often.

    Batches do not stop at the end of an epoch, so epochs may differ by one step.

    Example:
        >>> epoch_ends(num_epochs=3, num_cases=5, batch_size=4)
        [2, 3, 4]
    """
    return [math.ceil(epoch * num_cases / batch_size) for epoch in range(1, num_epochs + 1)]
