"""The segmentation backbones by the names that `--backbone` takes."""

from collections.abc import Callable

import keras

from darts_adv_tf.networks.fcn32s import build_fcn32s
from darts_adv_tf.networks.plugin import OwnBackbone
from darts_adv_tf.networks.unet import build_unet

BACKBONES = {"unet": build_unet, "fcn32s": build_fcn32s}


def find_backbone(name: str) -> Callable[..., keras.Model]:
    """The function that builds a segmenter, called as `build_unet` is.

    Args:
        name: `unet`, `fcn32s`, or `module:function`, a user's own.

    Raises:
        ConfigurationError: There is no such module or function.
    """
    return BACKBONES.get(name) or OwnBackbone(name)
