"""Segmenters and discriminators by the names that `--backbone` and `--discriminator` take.

Either flag also takes `<module>:<function>`, a user's own; see `plugin`. Legend: H, W, K classes.
"""

import dataclasses
from collections.abc import Callable
from functools import partial

import keras

from darts_adv_tf.networks.cell_discriminator import DerivedDiscriminator
from darts_adv_tf.networks.fcn32s import build_fcn32s
from darts_adv_tf.networks.plugin import UserDiscriminator, UserSegmenter
from darts_adv_tf.networks.resnet_discriminator import ResNetDiscriminator
from darts_adv_tf.networks.unet import build_unet
from darts_adv_tf.search_space.genotype import Genotype
from darts_adv_tf.tf_graph.normalization import NormalizationMode

# Named, since Keras would number it over all that the process makes; checkpoints go by names.
DISCRIMINATOR_NAME = "discriminator"


@dataclasses.dataclass(frozen=True)
class DiscriminatorSettings:
    """What discriminators are made from; each takes what it needs.

    Attributes:
        width: Channels of the first block of what is not made of cells.
        channels, cell_pattern: Of cells; see `Discriminator`.
        normalization: Which statistics normalization uses; a user's own has its own.
        seed: Of a user's own; the others draw from Keras's global seed.
        genotype: Of cells.
    """

    width: int
    channels: int
    cell_pattern: str
    normalization: NormalizationMode
    seed: int
    genotype: Genotype | None = None


def _derived(settings: DiscriminatorSettings) -> keras.layers.Layer:
    if settings.genotype is None:
        raise ValueError("A discriminator of cells must have a genotype. Received: genotype=None")
    return DerivedDiscriminator(
        settings.genotype,
        channels=settings.channels,
        cell_pattern=settings.cell_pattern,
        normalization=settings.normalization,
        name=DISCRIMINATOR_NAME,
    )


def _resnet(num_layers: int, settings: DiscriminatorSettings) -> keras.layers.Layer:
    return ResNetDiscriminator(
        num_layers, settings.width, settings.normalization, name=DISCRIMINATOR_NAME
    )


SEGMENTERS: dict[str, Callable[..., keras.Model]] = {
    "unet": build_unet,
    "fcn32s": build_fcn32s,
}
DISCRIMINATORS: dict[str, Callable[[DiscriminatorSettings], keras.layers.Layer]] = {
    "nas": _derived,
    "random": _derived,
    "resnet10": partial(_resnet, 10),
    "resnet18": partial(_resnet, 18),
    "resnet50": partial(_resnet, 50),
}

MaskShape = tuple[int, int, int]
BuildDiscriminator = Callable[[MaskShape, int, DiscriminatorSettings], keras.layers.Layer]
"""`(H, W, K)`, or `(H, W, K + channels)` where it sees images; K; settings -> a built layer."""


def find_segmenter(name: str) -> Callable[..., keras.Model]:
    """Returns the function that builds a segmenter, called as `build_unet` is.

    Args:
        name: One of `SEGMENTERS`, or `<module>:<function>`, a user's own.

    Raises:
        ConfigurationError: There is no such module or function.
    """
    return SEGMENTERS.get(name) or UserSegmenter(name)


def find_discriminator(name: str) -> BuildDiscriminator | None:
    """Returns the function that builds a discriminator from masks to logits `(N,)`.

    Args:
        name: One of `DISCRIMINATORS`; `<module>:<function>`, a user's own; or `none`, for which
            the result is None.

    Raises:
        ConfigurationError: There is no such module or function.
    """
    if name == "none":
        return None
    if name in DISCRIMINATORS:
        return partial(_build, DISCRIMINATORS[name])
    user_discriminator = UserDiscriminator(name)
    return lambda mask_shape, num_classes, settings: user_discriminator(
        mask_shape, num_classes, settings.width, settings.seed
    )


def _build(
    make: Callable[[DiscriminatorSettings], keras.layers.Layer],
    mask_shape: MaskShape,
    num_classes: int,
    settings: DiscriminatorSettings,
) -> keras.layers.Layer:
    del num_classes
    discriminator = make(settings)
    discriminator.build((None, *mask_shape))
    return discriminator
