"""Measures how well FCN-32s could segment at best, whatever its weights.

    python tools/measure_fcn32s_ceiling.py --dataset=cx_seg --data_dir=<folder> --image_size=256

FCN-32s decides on a grid of one place for 32x32 pixels, from which its bilinear upsampling draws
all borders. Here the scores of that grid are no output of a network: they descend the cross-entropy
to each case's own mask. Prints the overlap that they reach as the descent goes on, over all pixels
of all cases. No FCN-32s can be expected to do better.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from darts_adv_tf.config import DataConfig, RunConfig
from darts_adv_tf.data_builder import DataBuilder
from darts_adv_tf.losses import segmentation_loss
from darts_adv_tf.metrics import confusion_matrix, iou, mean_over_present
from darts_adv_tf.models.fcn32s import UPSAMPLING

LEARNING_RATE = 0.1

DATASET = flags.DEFINE_string("dataset", "phantom", "As of `search`.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Its folder.")
IMAGE_SIZE = flags.DEFINE_integer("image_size", 256, "A multiple of 32.", lower_bound=UPSAMPLING)
STEPS = flags.DEFINE_integer("steps", 200, "Steps of Adam.", lower_bound=4)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Everything is said by flags. Received: {argv[1:]}")
    size = IMAGE_SIZE.value
    if size % UPSAMPLING:
        raise app.UsageError(f"--image_size is a multiple of {UPSAMPLING}. Received: {size}")
    data = DataConfig(dataset=DATASET.value, data_dir=DATA_DIR.value, image_size=size)
    dataset = DataBuilder(RunConfig(data=data)).dataset
    num_classes = len(dataset.class_names)
    coarse = (len(dataset.cases), size // UPSAMPLING, size // UPSAMPLING, num_classes)
    scores = tf.Variable(tf.zeros(coarse))
    optimizer = keras.optimizers.Adam(LEARNING_RATE)
    optimizer.build([scores])
    labels = tf.constant(dataset.labels)

    def logits():
        # The same as `BilinearUpsampling`, and faster.
        return tf.image.resize(scores, (size, size))

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(segmentation_loss(labels, logits()))
        optimizer.apply([tape.gradient(loss, scores)])

    print(f"{len(dataset.cases)} cases, a grid of {coarse[1]}x{coarse[2]}")
    for number in range(1, STEPS.value + 1):
        step()
        if number % (STEPS.value // 4) == 0:
            predictions = np.argmax(logits(), axis=-1)
            values = iou(confusion_matrix(dataset.labels, predictions, num_classes))
            organs = mean_over_present(values[1:])
            print(
                f"step {number}  mean_iou {mean_over_present(values):.3f}  organs {organs:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    app.run(main)
