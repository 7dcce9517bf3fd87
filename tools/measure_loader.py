"""Tells whether training ever waits for its batches.

    python tools/measure_loader.py --image_size=512 --batch_size=4

Trains a segmenter alone, the fastest training there is, on phantoms that all augmentations vary.
Prints the milliseconds that making a batch takes where nothing else runs, a step's, and how long
each step waited for its batch, which a thread makes while the step before runs; and how many cases
a second are read from PNG files. Medians over the steps.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from absl import app, flags

# Before TensorFlow starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

IMAGE_SIZE = flags.DEFINE_integer("image_size", 512, "Edge of the training images, in pixels.")
BATCH_SIZE = flags.DEFINE_integer("batch_size", 4, "Cases in a step.")
WIDTH = flags.DEFINE_integer("segmenter_width", 16, "Channels of the U-Net's first level.")
CASES = flags.DEFINE_integer("cases", 16, "Number of phantoms.")
STEPS = flags.DEFINE_integer("steps", 10, "Measured steps.")


def write_as_cx_seg(folder: Path, collection) -> None:
    """Writes a collection of chest radiographs in the layout of CX-SEG."""
    import cv2
    import numpy as np

    for case in collection.cases:
        picture, masks = case.read()
        files = {"png": picture.pixels}
        for name, mask in zip(collection.class_names[1:], masks, strict=True):
            files[f"mask/{name}"] = np.where(mask, 255, 0).astype(np.uint8)
        for place, pixels in files.items():
            (folder / place).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / place / f"{case.name}.png"), pixels)


def main(_):
    from darts_adv_tf.config import (
        AugmentationConfig,
        DataConfig,
        ModelConfig,
        RunConfig,
        TrainingConfig,
    )
    from darts_adv_tf.data.loading import load
    from darts_adv_tf.data.preparation import Preparation
    from darts_adv_tf.data.sources.registry import find_collection
    from darts_adv_tf.run.components import make_batches, make_run, make_trainer

    config = RunConfig(
        command="train",
        data=DataConfig(
            image_size=IMAGE_SIZE.value,
            phantom_cases=CASES.value,
            train_cases=2 * (CASES.value // 2) - 2,
        ),
        augmentation=AugmentationConfig(10.0, 0.1, 0.05, 0.2, 0.05, True),
        model=ModelConfig(discriminator="none", segmenter_width=WIDTH.value),
        training=TrainingConfig(batch_size=BATCH_SIZE.value),
        workdir=os.devnull,
    )
    run = make_run(config)
    batches = make_batches(run, run.split.train_and_val)
    making = []
    for step in range(STEPS.value):
        start = time.perf_counter()
        batches.make(step)
        making.append(time.perf_counter() - start)

    trainer = make_trainer(run, None)
    trainer.step(batches(0))
    waiting, training = [], []
    for step in range(1, 1 + STEPS.value):
        start = time.perf_counter()
        batch = batches(step)
        waiting.append(time.perf_counter() - start)
        trainer.step(batch)
        training.append(time.perf_counter() - start - waiting[-1])

    with tempfile.TemporaryDirectory() as folder:
        write_as_cx_seg(Path(folder), run.collection)
        collection = find_collection("cx_seg", Path(folder), None)
        start = time.perf_counter()
        load(collection, Preparation(IMAGE_SIZE.value, None))
        reading = len(collection.cases) / (time.perf_counter() - start)

    for name, seconds in (
        ("making a batch, alone", making),
        ("a step", training),
        ("waiting for its batch", waiting),
    ):
        print(f"{name:24s}{1000 * statistics.median(seconds):10.1f} ms")
    share = sum(waiting) / (sum(waiting) + sum(training))
    print(f"{'share of waiting':24s}{share:10.2%}")
    print(f"{'reading from files':24s}{reading:10.1f} cases/s")


if __name__ == "__main__":
    app.run(main)
