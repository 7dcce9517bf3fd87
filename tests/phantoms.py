"""Phantoms as a data set in memory."""

from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.data.loading import load
from darts_adv_tf.data.preparation import Preparation
from darts_adv_tf.data.sources.phantom import make_phantoms


def load_phantoms(
    image_size: int, num_cases: int, seed: int = 0, domain: str = "uniform"
) -> Dataset:
    """Draws and prepares phantoms as the commands do by default."""
    collection = make_phantoms(image_size, num_cases, seed, domain)
    return load(collection, Preparation(image_size))
