"""The order of the cases in training, and the batches in that order."""

import math
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from darts_adv_tf.data.augmentation import Augmentation
from darts_adv_tf.data.dataset import Dataset


class BatchArrays(NamedTuple):
    """A global batch.

    Attributes:
        images: float32 (N, S, S, C), prepared.
        labels: uint8 (N, S, S), class indices.
    """

    images: np.ndarray
    labels: np.ndarray


class BatchStream:
    """The batches of some cases; a thread prepares the next one during a training step.

    Every batch is a pure function of seed and step.

    Args:
        dataset: Holds the cases.
        cases: Distinct indices of cases.
        batch_size: Number of cases in a batch.
        seed: Seed of the order and the augmentation.
        augmentation: Augments each case differently in each epoch.
    """

    def __init__(
        self,
        dataset: Dataset,
        cases: Sequence[int],
        batch_size: int,
        seed: int,
        augmentation: Augmentation | None = None,
    ):
        self.dataset = dataset
        self.cases = cases
        self.batch_size = batch_size
        self.seed = seed
        self.augmentation = augmentation
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._next: tuple[int, Future[BatchArrays]] | None = None

    def __call__(self, step: int) -> BatchArrays:
        """Returns the batch of a step, counted from 0."""
        if self._next is not None and self._next[0] == step:
            batch = self._next[1].result()
        else:
            batch = self.make(step)
        self._next = step + 1, self._thread.submit(self.make, step + 1)
        return batch

    def make(self, step: int) -> BatchArrays:
        """Makes the batch of a step in the calling thread."""
        indices = batch_indices(self.cases, self.batch_size, self.seed, step)
        images, labels = self.dataset.images[indices], self.dataset.labels[indices]
        if self.augmentation is not None:
            epochs = (step * self.batch_size + np.arange(self.batch_size)) // len(self.cases)
            for place, (epoch, case) in enumerate(zip(epochs, indices, strict=True)):
                images[place], labels[place] = self.augmentation(
                    images[place], labels[place], (self.seed, int(epoch), int(case))
                )
        return BatchArrays(images, labels)


def batch_indices(cases: Sequence[int], batch_size: int, seed: int, step: int) -> np.ndarray:
    """Returns the cases of one batch: a pure function of its arguments.

    The batches are cut from an endless stream of permutations of `cases`, one per epoch. Hence
    every batch is full, every case occurs once per epoch, and a run resumes at any step without
    state. The
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
            "A batch must have cases, a size of at least 1 and a step of at least 0. "
            f"Received: {len(cases)} cases, batch_size={batch_size}, step={step}"
        )
    epochs, places = np.divmod(step * batch_size + np.arange(batch_size), len(cases))
    batch = np.empty(batch_size, np.int64)
    for epoch in range(epochs[0], epochs[-1] + 1):
        order = np.random.default_rng((seed, epoch, *cases)).permutation(len(cases))
        batch[epochs == epoch] = np.asarray(cases)[order[places[epochs == epoch]]]
    return batch


def epoch_ends(num_epochs: int, num_cases: int, batch_size: int) -> list[int]:
    """Returns, for each epoch, the number of steps after which it is complete.

    Batches do not stop at the end of an epoch, so epochs may differ by one step.

    Example:
        >>> epoch_ends(num_epochs=3, num_cases=5, batch_size=4)
        [2, 3, 4]
    """
    return [math.ceil(epoch * num_cases / batch_size) for epoch in range(1, num_epochs + 1)]
