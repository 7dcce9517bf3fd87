"""Measures how far the finite difference of DARTS is from the exact second-order part.

    python tools/measure_finite_difference.py --unroll_rates=1e-4,1e-3,1e-2

Prints, for each eta of Eq. 9, the size of the exact second-order part beside the first-order
gradient, and the cosine between the finite difference's second-order part and the exact one. All in
float64, on the paper's own losses with freshly initialized networks and random masks.
"""

import os
import sys
from pathlib import Path

# Before TensorFlow starts, which would tell of every kernel that it has not for float64.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from darts_adv_tf.adversarial.architecture_gradient import architecture_gradient
from darts_adv_tf.adversarial.game import AdversarialGame, Batch
from darts_adv_tf.networks.cell_discriminator import CELL_PATTERN, SearchDiscriminator
from darts_adv_tf.networks.unet import build_unet
from darts_adv_tf.search_space.alpha import Architecture
from darts_adv_tf.training.trainer import weights

NUM_CLASSES = 4

UNROLL_RATES = flags.DEFINE_list("unroll_rates", ["1e-4", "1e-3", "1e-2"], "Values of eta.")
IMAGE_SIZE = flags.DEFINE_integer("image_size", 32, "Edge of the images, in pixels.")
BATCH_SIZE = flags.DEFINE_integer("batch_size", 4, "Images a batch.")
CHANNELS = flags.DEFINE_integer("discriminator_channels", 4, "Channels of the first cell.")
CELLS = flags.DEFINE_string("discriminator_cells", CELL_PATTERN, "Pattern of cells.")
SEED = flags.DEFINE_integer("seed", 0, "Of weights, images and masks.")


def make_batch(random: np.random.Generator) -> Batch:
    """Smooth random images, and masks cut from them."""
    size = IMAGE_SIZE.value
    coarse = random.uniform(size=(BATCH_SIZE.value, 8, 8, 1))
    images = tf.image.resize(coarse, (size, size), method="bicubic").numpy().astype(np.float64)
    labels = np.clip(images[..., 0] * NUM_CLASSES, 0, NUM_CLASSES - 1).astype(np.int32)
    return Batch(tf.constant(images), tf.constant(labels))


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Everything is said by flags. Received: {argv[1:]}")
    keras.utils.set_random_seed(SEED.value)
    random = np.random.default_rng(SEED.value)
    size = IMAGE_SIZE.value
    segmenter = build_unet((size, size, 1), NUM_CLASSES, width=4, dtype="float64")
    discriminator = SearchDiscriminator(CHANNELS.value, CELLS.value, dtype="float64")
    discriminator.build((None, size, size, NUM_CLASSES))
    architecture = Architecture(dtype="float64")
    game = AdversarialGame(segmenter, discriminator, NUM_CLASSES, 0.01, BATCH_SIZE.value)
    players = (game, weights(segmenter), weights(discriminator), weights(architecture))
    batches = (make_batch(random), make_batch(random))

    @tf.function(autograph=False)
    def compare(unroll_rate):
        exact = architecture_gradient("exact", *players, *batches, unroll_rate)
        difference = architecture_gradient("finite_difference", *players, *batches, unroll_rate)
        first, one, other = (
            tf.concat(parts, axis=0)
            for parts in (exact.first_order, exact.second_order, difference.second_order)
        )
        cosine = tf.reduce_sum(one * other) / (tf.norm(one) * tf.norm(other))
        return unroll_rate * tf.norm(one) / tf.norm(first), cosine, tf.norm(other) / tf.norm(one)

    print("eta     exact second order / first order   cosine   norm ratio of the difference")
    for rate in UNROLL_RATES.value:
        ratio, cosine, norms = (float(x) for x in compare(tf.constant(float(rate), tf.float64)))
        print(f"{rate:8}{ratio:12.4f}{cosine:31.4f}{norms:12.4f}", flush=True)


if __name__ == "__main__":
    app.run(main)
