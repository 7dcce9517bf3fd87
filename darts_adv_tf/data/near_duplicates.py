"""Copies of one image that are not equal pixel by pixel.

Chest radiographs are all alike: shrunk to 32x32, two people's images of CX-SEG correlate up to
0.957, more than some images with a copy of their own. What distinguishes people is detail of one
scale, neither the shape of the body nor the noise, normalized to the same strength everywhere.

Shapes: N images, S their side, C channels, B images of a block, D = 1,024 values of a description.
"""

from collections.abc import Sequence
from itertools import product

import cv2
import numpy as np

from darts_adv_tf.data.data_issue import DataIssue
from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.data.leaks import cross_split, digest, name_sides, side_by_case
from darts_adv_tf.data.split import Split

LEAST_CORRELATION = 0.75
"""Two images are reported from this correlation of their descriptions on.

Measured on CX-SEG at 256x256: the 12,720 pairs of different people, mirrored ones included, reach
0.660, and those of 200 phantoms 0.734. Each of the 160 images reaches, with a copy of its own, 0.99
where the copy was mirrored, or halved in size and enlarged again; 0.96 with intensities raised to
the power of 1.5 or 0.6; 0.90 with local contrast equalized; 0.85 with noise (standard deviation
0.03 of white), by JPEG of quality 30, shifted by 2 pixels in both directions, or with a twentieth
of the pixels cut off at black and at white; 0.76 shifted by 4, turned by two degrees, or cut at the
borders by 2 percent. Of copies shifted by 6 or 8 pixels one each is missed; those cut by 5 percent
are not found.
"""

_SIDE = 32
_FINEST, _COARSEST = 0.5, 1.0
"""Standard deviations of the two blurs, in pixels of the description, whose difference is kept."""
_FLATTEST = 1e-3
_SHIFTS = tuple(product((-1, -0.5, 0, 0.5, 1), repeat=2))
"""Down and to the right, in pixels of the description, up to 3 percent of the side."""
_BLOCK = 512
_ACROSS = 2.0
"""Above every correlation, so that a copy on the other side of the split comes first."""


def find_near_duplicates(dataset: Dataset, split: Split | None) -> list[DataIssue]:
    """Reports images that are nearly the same as an earlier case's, mirrored or not.

    Each such case is reported once, with the most similar earlier image, or the most similar one
    on the other side of the split if there is one. Equal images are left to `find_leaks`; images of
    one patient are expected to be similar, as the slices of a volume are.

    Args:
        dataset: The cases; 10,000 take three minutes on two cores, and memory for their
            descriptions and for `_BLOCK` rows of the matrix of correlations.
        split: The split of the cases; None if unknown.
    """
    sides = side_by_case(dataset, split)
    is_test = np.array([side == "test" for side in sides])
    patients = _numbered(dataset.patients)
    contents = _numbered([digest(image) for image in dataset.images])
    described = describe(dataset.images)
    issues = []
    for start in range(0, len(described), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(described)))
        earlier = np.arange(rows[-1])
        correlations = _largest_correlations(described[rows], described[earlier])
        excluded = (
            (earlier >= rows[:, np.newaxis])
            | (patients[rows, np.newaxis] == patients[earlier])
            | (contents[rows, np.newaxis] == contents[earlier])
        )
        correlations[excluded | (correlations < LEAST_CORRELATION)] = -np.inf
        ranks = correlations + _ACROSS * (is_test[rows, np.newaxis] != is_test[earlier])
        for row in np.flatnonzero(np.isfinite(ranks).any(axis=1)):
            other = int(ranks[row].argmax())
            index = int(rows[row])
            name = dataset.cases[other]
            message = (
                f"nearly the same image as {name}{name_sides(sides[other], sides[index])}, "
                f"correlation {correlations[row, other]:.2f}"
            )
            across = cross_split(sides[other], sides[index])
            issues.append(
                DataIssue(
                    dataset.cases[index],
                    "near_duplicate",
                    message,
                    other=name,
                    crosses_split=across,
                )
            )
    return issues


def describe(images: np.ndarray) -> np.ndarray:
    """Describes images (N, S, S, C) by (N, D) float32, each of length 1, or 0 where constant."""
    described = np.zeros((len(images), _SIDE, _SIDE), np.float32)
    for description, image in zip(described, images, strict=True):
        grey = image.mean(axis=-1)
        shrinks = min(grey.shape) >= _SIDE
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=method)
        detail = _blurred(small, _FINEST) - _blurred(small, _COARSEST)
        strength = np.sqrt(_blurred(detail**2, 2 * _COARSEST))
        description[:] = detail / (strength + _FLATTEST)
    vectors = described.reshape(len(images), -1)
    vectors -= vectors.mean(axis=1, keepdims=True)
    return _of_length_one(vectors)


def _largest_correlations(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The largest correlation of each row's image, shifted or mirrored, with each column's.

    Args:
        rows: (B, D).
        columns: (N, D).

    Returns:
        (B, N) float32.
    """
    images = rows.reshape(-1, _SIDE, _SIDE)
    largest = np.full((len(rows), len(columns)), -1, np.float32)
    down, right = np.fft.fftfreq(_SIDE)[:, np.newaxis], np.fft.rfftfreq(_SIDE)
    for turned in (images, images[:, :, ::-1]):
        waves = np.fft.rfft2(turned)
        for shift in _SHIFTS:
            turns = np.exp(-2j * np.pi * (shift[0] * down + shift[1] * right))
            moved = np.fft.irfft2(waves * turns, s=(_SIDE, _SIDE)).astype(np.float32)
            shifted = _of_length_one(moved.reshape(len(rows), -1))
            np.maximum(largest, shifted @ columns.T, out=largest)
    return largest


def _of_length_one(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def _blurred(image: np.ndarray, deviation: float) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), deviation, borderType=cv2.BORDER_REFLECT)


def _numbered(values: Sequence) -> np.ndarray:
    """Numbers the values; equal values get the same number."""
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values])
