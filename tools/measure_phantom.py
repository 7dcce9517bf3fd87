"""Measures how hard the phantom is for those who see too little, beside real radiographs.

    python tools/measure_phantom.py --images=<folder> --masks=<folder>

For each domain, and for the radiographs `<images>/<case>.png` with their masks
`<masks>/<organ>/<case>.png` if they are given:

- the classes' shares of the pixels, their deviation from case to case, and how far the organs'
  centres move about (mean of x and y, as a fraction of the picture);
- the mean IoU of the organs that the mean shape of 32 training cases, blind to the image, reaches
  on 48 others;
- the mean IoU that intensity alone reaches: each grey level gets the class that it has most often
  in the training cases. Once with the levels as stored, once with each picture's own ranks; and
  once more for both lungs as one class, since no grey level can tell left from right.

All at 80 cases a time: the phantom's figures are means over as many seeds, the radiographs' over as
many random choices.
"""

import sys
import time
from pathlib import Path

import cv2
import numpy as np
from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from darts_adv_tf.data.chest import CLASS_NAMES, ORGANS, PRIORITY, repair_swap
from darts_adv_tf.data.phantom import DOMAINS, draw_case
from darts_adv_tf.data.preparation import Preparation, merge_masks

NUM_CASES = 80
NUM_TRAINING = 32
LEFT, RIGHT, HEART = (CLASS_NAMES.index(organ) for organ in ORGANS)

IMAGES = flags.DEFINE_string("images", None, "Folder of 8-bit radiographs; none unless given.")
MASKS = flags.DEFINE_string("masks", None, "Folder with a folder of masks for each organ.")
IMAGE_SIZE = flags.DEFINE_integer("image_size", 64, "Edge of the pictures.", lower_bound=32)
SEEDS = flags.DEFINE_integer("seeds", 6, "Number of drawings or choices.", lower_bound=1)


def iou(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Of two bool arrays, over all pixels together."""
    return float(np.sum(truth & prediction) / max(1, np.sum(truth | prediction)))


def organ_iou(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Mean over the organs."""
    return float(np.mean([iou(labels == k, predictions == k) for k in (LEFT, RIGHT, HEART)]))


def mean_shape_iou(labels: np.ndarray) -> float:
    """What the most frequent class of each pixel reaches on the cases behind `NUM_TRAINING`."""
    votes = [np.sum(labels[:NUM_TRAINING] == k, axis=0) for k in range(len(CLASS_NAMES))]
    test = labels[NUM_TRAINING:]
    return organ_iou(test, np.broadcast_to(np.argmax(votes, axis=0), test.shape))


def classify_by_intensity(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The most frequent class of each pixel's grey level, for the cases behind `NUM_TRAINING`."""
    histograms = np.stack(
        [
            np.bincount(images[:NUM_TRAINING][labels[:NUM_TRAINING] == k], minlength=256)
            for k in range(labels.max() + 1)
        ]
    ).astype(np.float32)
    # Levels that the training cases miss take after their neighbours.
    smooth = np.stack([cv2.GaussianBlur(row[np.newaxis], (0, 0), 2.0)[0] for row in histograms])
    return np.argmax(smooth, axis=0)[images[NUM_TRAINING:]]


def ranks(images: np.ndarray) -> np.ndarray:
    """Each picture's levels spread evenly over 0..255."""
    flat = images.reshape(len(images), -1)
    cumulated = np.stack([np.cumsum(np.bincount(picture, minlength=256)) for picture in flat])
    levels = (cumulated * 255) // flat.shape[1]
    return np.take_along_axis(levels, flat.astype(np.int64), axis=1).reshape(images.shape)


def measure(images: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray | float]:
    """All figures of `NUM_CASES` cases, uint8 (N, S, S) each."""
    shares = np.stack([np.mean(labels == k, axis=(1, 2)) for k in range(len(CLASS_NAMES))])
    centres = np.array(
        [[np.mean(np.nonzero(case == k), axis=1) for k in (LEFT, RIGHT, HEART)] for case in labels]
    )
    lungs = np.isin(labels, (LEFT, RIGHT)).astype(np.uint8)
    truth = lungs[NUM_TRAINING:] == 1
    return {
        "shares": shares.mean(axis=1),
        "share_deviations": shares.std(axis=1),
        "centre_deviations": centres.std(axis=0).mean(axis=1) / labels.shape[1],
        "mean_shape": mean_shape_iou(labels),
        "intensity": organ_iou(labels[NUM_TRAINING:], classify_by_intensity(images, labels)),
        "rank": organ_iou(labels[NUM_TRAINING:], classify_by_intensity(ranks(images), labels)),
        "lungs_by_intensity": iou(truth, classify_by_intensity(images, lungs) == 1),
        "lungs_by_rank": iou(truth, classify_by_intensity(ranks(images), lungs) == 1),
        "grey_mean": images.mean(),
        "grey_mean_deviation": images.mean(axis=(1, 2)).std(),
    }


def read_radiographs(images_dir: Path, masks_dir: Path) -> tuple[np.ndarray, np.ndarray]:
    """All cases at `--image_size`."""
    size = IMAGE_SIZE.value
    priority = [CLASS_NAMES.index(name) for name in PRIORITY]
    images, labels = [], []
    for path in sorted(images_dir.glob("*.png")):
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        masks = [
            cv2.imread(str(masks_dir / organ / path.name), cv2.IMREAD_GRAYSCALE) for organ in ORGANS
        ]
        masks, *_ = repair_swap(np.array(masks) >= 128)
        images.append(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA))
        labels.append(Preparation(size).prepare_labels(merge_masks(masks, priority), priority))
    return np.stack(images), np.stack(labels)


def draw(seed: int, domain: str) -> tuple[np.ndarray, np.ndarray]:
    drawn = [draw_case(IMAGE_SIZE.value, seed, index, domain) for index in range(NUM_CASES)]
    images, labels = (np.stack(arrays) for arrays in zip(*drawn, strict=True))
    return images, labels


def print_figures(title: str, rounds: list[dict[str, np.ndarray | float]]) -> None:
    """A line a figure: its mean over the rounds, and for single numbers the range."""
    print(title)
    for name in rounds[0]:
        values = np.array([figures[name] for figures in rounds])
        told = " ".join(f"{value:.3f}" for value in np.atleast_1d(values.mean(axis=0)))
        spread = f"  ({values.min():.3f} to {values.max():.3f})" if values.ndim == 1 else ""
        print(f"  {name:20} {told}{spread}")


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Everything is said by flags. Received: {argv[1:]}")
    if IMAGES.value:
        images, labels = read_radiographs(Path(IMAGES.value), Path(MASKS.value))
        choices = [
            np.random.default_rng(seed).permutation(len(images))[:NUM_CASES]
            for seed in range(SEEDS.value)
        ]
        rounds = [measure(images[choice], labels[choice]) for choice in choices]
        print_figures(f"radiographs, {len(images)} cases", rounds)
    for domain in DOMAINS:
        start = time.process_time()
        drawings = [draw(seed, domain) for seed in range(SEEDS.value)]
        each = (time.process_time() - start) / (SEEDS.value * NUM_CASES)
        print_figures(
            f"phantom, {domain}, {1000.0 * each:.1f} ms of a core a case",
            [measure(*drawing) for drawing in drawings],
        )


if __name__ == "__main__":
    app.run(main)
