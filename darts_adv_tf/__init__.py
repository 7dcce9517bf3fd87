"""Differentiable search of the discriminator for adversarial medical image segmentation.

An implementation in TensorFlow and Keras of Dong et al., "Neural Architecture Search for
Adversarial Medical Image Segmentation", MICCAI 2019.

The names below are for use from Python; each is loaded, and TensorFlow with it, at its first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from darts_adv_tf.adversarial.architecture_gradient import architecture_gradient
    from darts_adv_tf.adversarial.game import AdversarialGame
    from darts_adv_tf.evaluate import run_evaluate
    from darts_adv_tf.networks.cell_discriminator import DerivedDiscriminator, SearchDiscriminator
    from darts_adv_tf.networks.fcn32s import build_fcn32s
    from darts_adv_tf.networks.unet import build_unet
    from darts_adv_tf.predict import run_predict
    from darts_adv_tf.search import run_search
    from darts_adv_tf.search_space.alpha import Architecture
    from darts_adv_tf.search_space.cell import SearchCell
    from darts_adv_tf.search_space.genotype import Genotype, load_genotype
    from darts_adv_tf.search_space.mixed_op import MixedOp
    from darts_adv_tf.serving.segmenter import load_segmenter
    from darts_adv_tf.train import run_train

__version__ = "0.1.0"

__all__ = [
    "AdversarialGame",
    "Architecture",
    "DerivedDiscriminator",
    "Genotype",
    "MixedOp",
    "SearchCell",
    "SearchDiscriminator",
    "architecture_gradient",
    "build_fcn32s",
    "build_unet",
    "load_genotype",
    "load_segmenter",
    "run_evaluate",
    "run_predict",
    "run_search",
    "run_train",
]

_MODULES = {
    "AdversarialGame": "adversarial.game",
    "Architecture": "search_space.alpha",
    "DerivedDiscriminator": "networks.cell_discriminator",
    "Genotype": "search_space.genotype",
    "MixedOp": "search_space.mixed_op",
    "SearchCell": "search_space.cell",
    "SearchDiscriminator": "networks.cell_discriminator",
    "architecture_gradient": "adversarial.architecture_gradient",
    "build_fcn32s": "networks.fcn32s",
    "build_unet": "networks.unet",
    "load_genotype": "search_space.genotype",
    "load_segmenter": "serving.segmenter",
    "run_evaluate": "evaluate",
    "run_predict": "predict",
    "run_search": "search",
    "run_train": "train",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
