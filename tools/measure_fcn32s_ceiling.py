"""Measures how well FCN-32s could segment at best, whatever its weights.

    python tools/measure_fcn32s_ceiling.py --dataset=cx_seg --data_dir=<folder> --image_size=256

FCN-32s decides on a grid of one place for 32x32 pixels, from which its bilinear upsampling draws
all borders. Here the scores of that grid are no output of a network: they descend the cross-entropy
to each case's own mask. Prints the overlap that they reach as the descent goes on, over all pixels
of all cases. No FCN-32s can be expected to do better.

With --discriminator_steps a ResNet10 then learns on a part of the cases to tell these masks from
the true ones. Where it does so on the other cases too, its verdict says little about the weights of
a segmenter: masks as good as the grid allows do not deceive it.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from darts_adv_tf.adversarial.losses import GAN, cross_entropy
from darts_adv_tf.config import DataConfig
from darts_adv_tf.evaluation.metrics import confusion_matrix, iou, mean_over_present
from darts_adv_tf.networks.fcn32s import UPSAMPLING
from darts_adv_tf.networks.resnet_discriminator import ResNetDiscriminator
from darts_adv_tf.run.cases import find_cases, load_cases

LEARNING_RATE = 0.1
# As in flags/cx_seg_table_small_fcn32s.flags.
DISCRIMINATOR_LEARNING_RATE = 1e-3
DISCRIMINATOR_CHANNELS = 8
BATCH_SIZE = 4
SHARE_TO_LEARN_ON = 0.3

DATASET = flags.DEFINE_string("dataset", "phantom", "As of `search`.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Its folder.")
IMAGE_SIZE = flags.DEFINE_integer("image_size", 256, "A multiple of 32.", lower_bound=UPSAMPLING)
STEPS = flags.DEFINE_integer("steps", 200, "Steps of Adam.", lower_bound=4)
DISCRIMINATOR_STEPS = flags.DEFINE_integer(
    "discriminator_steps", 0, "The same of the discriminator; 0 leaves it out.", lower_bound=0
)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Everything is said by flags. Received: {argv[1:]}")
    size = IMAGE_SIZE.value
    if size % UPSAMPLING:
        raise app.UsageError(f"--image_size is a multiple of {UPSAMPLING}. Received: {size}")
    data = DataConfig(dataset=DATASET.value, data_dir=DATA_DIR.value, image_size=size)
    dataset = load_cases(find_cases(data, seed=0), data)
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
            loss = tf.reduce_sum(cross_entropy(labels, logits()))
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
    if DISCRIMINATOR_STEPS.value:
        real_masks = tf.one_hot(labels, num_classes)
        real, fake = tell_apart(real_masks, tf.nn.softmax(logits()), DISCRIMINATOR_STEPS.value)
        print(
            f"discriminator  true masks taken for true {real:.3f}  the others found out {fake:.3f}"
        )


def tell_apart(real_masks, fake_masks, num_steps: int) -> tuple[float, float]:
    """Shares of true and of other masks (N, H, W, K) that a ResNet10 judges rightly, unseen ones.

    It has the statistics of each batch, true masks and others apart, as in training.
    """
    keras.utils.set_random_seed(0)
    discriminator = ResNetDiscriminator(10, DISCRIMINATOR_CHANNELS)
    discriminator.build(real_masks.shape)
    optimizer = keras.optimizers.Adam(DISCRIMINATOR_LEARNING_RATE)
    optimizer.build(discriminator.trainable_variables)
    order = np.random.default_rng(0).permutation(len(real_masks))
    learned_on, unseen = np.split(order, [round(SHARE_TO_LEARN_ON * len(order))])

    @tf.function(autograph=False, reduce_retracing=True)
    def judge(indices):
        masks = (tf.gather(masks, indices) for masks in (real_masks, fake_masks))
        return [discriminator(each) for each in masks]

    @tf.function(autograph=False)
    def step(indices):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(GAN.discriminator(*judge(indices)))
        weights = discriminator.trainable_variables
        optimizer.apply(tape.gradient(loss, weights), weights)

    draws = np.random.default_rng(1)
    for _ in range(num_steps):
        step(tf.constant(draws.choice(learned_on, BATCH_SIZE, replace=False)))
    batches = [unseen[start : start + BATCH_SIZE] for start in range(0, len(unseen), BATCH_SIZE)]
    logits = [judge(tf.constant(batch)) for batch in batches]
    real, fake = (np.concatenate(each) for each in zip(*logits, strict=True))
    return float(np.mean(real > 0)), float(np.mean(fake < 0))


if __name__ == "__main__":
    app.run(main)
