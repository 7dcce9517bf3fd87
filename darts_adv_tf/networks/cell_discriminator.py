"""The discriminator that is searched, in both phases: search and derived.

Legend: N batch, H, W, K mask channels, C channels.
"""

import dataclasses

import keras
import tensorflow as tf

from darts_adv_tf.search_space.cell import DerivedCell, SearchCell, by_source
from darts_adv_tf.search_space.genotype import Genotype
from darts_adv_tf.search_space.space import PUBLISHED_SPACE, SearchSpace
from darts_adv_tf.tf_graph.initializers import convolution_uniform
from darts_adv_tf.tf_graph.normalization import Normalization, NormalizationMode

CELL_PATTERN = "NRNRNRN"
HEAD_MULTIPLIER = 3


class Discriminator(keras.layers.Layer):
    """Head, body of cells and bottom; a subclass makes the cells.

    The head is a 3x3 convolution to 3 C channels, normalization with scale and offset, and 2x2
    max pooling, and feeds both inputs of the first cell. Each reduction cell doubles C. The
    bottom is ReLU, global average pooling and one fully connected unit. The ReLU is not
    optional: cells end in normalization without offset, so without it the mean of each channel
    over a batch is zero, and with it the mean logit, for real and fake alike.

    Args:
        channels: C of the cells before the first reduction.
        cell_pattern: One letter a cell, N (normal) or R (reduction).
        normalization: Which statistics normalization uses; see `normalize`.

    Shapes:
        masks (N, H, W, K) -> logits (N,), positive for real.
    """

    def __init__(
        self,
        channels: int = 16,
        cell_pattern: str = CELL_PATTERN,
        normalization: NormalizationMode = "batch",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not cell_pattern or set(cell_pattern) - set("NR"):
            raise ValueError(
                "A pattern of cells has one letter a cell, N (normal) or R (reduction). "
                f"Received: cell_pattern={cell_pattern!r}"
            )
        self.channels = channels
        self.cell_pattern = cell_pattern
        self.normalization = normalization
        self.head_normalization = Normalization(
            normalization, name="head_normalization", dtype=self.dtype_policy
        )
        self.cells: list[keras.layers.Layer] = []
        cell_channels, previous_reduction = channels, False
        for kind in cell_pattern:
            reduction = kind == "R"
            cell_channels *= 2 if reduction else 1
            # Named by its place, and not by how many cells the program has made, so that the
            # variables of every process have the same names, by which checkpoints know them.
            name = f"cell_{len(self.cells)}"
            self.cells.append(self._make_cell(cell_channels, reduction, previous_reduction, name))
            previous_reduction = reduction

    def _make_cell(self, channels: int, reduction: bool, previous_reduction: bool, name: str):
        raise ValueError(
            "Discriminator is abstract: use SearchDiscriminator or DerivedDiscriminator."
        )

    def build(self, input_shape):
        mask_channels, head_channels = input_shape[-1], HEAD_MULTIPLIER * self.channels
        self.head_kernel = self.add_weight(
            shape=(3, 3, mask_channels, head_channels),
            initializer=convolution_uniform(fan_in=9 * mask_channels),
            name="head_kernel",
        )
        older = newer = (None, None, None, head_channels)
        self.head_normalization.build(newer)
        for cell in self.cells:
            cell.build(older, newer)
            older, newer = newer, (None, None, None, cell.output_channels)
        self.bottom_kernel = self.add_weight(
            shape=(newer[-1], 1),
            initializer=convolution_uniform(fan_in=newer[-1]),
            name="bottom_kernel",
        )
        self.bottom_bias = self.add_weight(shape=(1,), initializer="zeros", name="bottom_bias")

    def _head(self, masks):
        x = tf.nn.conv2d(masks, tf.convert_to_tensor(self.head_kernel), 1, "SAME")
        x = self.head_normalization(x)
        return tf.nn.max_pool2d(x, 2, 2, "VALID")

    def _bottom(self, x):
        pooled = tf.reduce_mean(tf.nn.relu(x), axis=[1, 2])
        logits = pooled @ tf.convert_to_tensor(self.bottom_kernel) + self.bottom_bias
        return tf.squeeze(logits, axis=-1)

    def get_config(self):
        return super().get_config() | {
            "channels": self.channels,
            "cell_pattern": self.cell_pattern,
            "normalization": self.normalization,
        }


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class SearchDiscriminator(Discriminator):
    """The supernet: every edge a mixture, weighted by `op_weights` that the caller passes.

    alpha is no variable of the discriminator, so that its gradients and the discriminator's stay
    apart: `discriminator(masks, normal_weights, reduction_weights)`, each (number of edges, number
    of operations), a softmax.

    Args:
        space: The search space.
        **kwargs: See `Discriminator`.

    Example:
        `Architecture` owns alpha, the discriminator phi; a tape reaches alpha through the softmax.

        >>> import tensorflow as tf
        >>> from darts_adv_tf import Architecture, SearchDiscriminator
        >>> architecture = Architecture()
        >>> discriminator = SearchDiscriminator(channels=4, cell_pattern="NR")
        >>> masks = tf.one_hot(tf.zeros((2, 16, 16), tf.int32), depth=3)
        >>> alpha = [variable.value for variable in architecture.trainable_variables]
        >>> with tf.GradientTape() as tape:
        ...     logits = discriminator(masks, *map(tf.nn.softmax, alpha))
        >>> [gradient is not None for gradient in tape.gradient(logits, alpha)]
        [True, True]
        >>> any("alpha" in variable.path for variable in discriminator.variables)
        False
    """

    def __init__(
        self,
        channels: int = 16,
        cell_pattern: str = CELL_PATTERN,
        normalization: NormalizationMode = "batch",
        space: SearchSpace = PUBLISHED_SPACE,
        **kwargs,
    ):
        self.space = space
        super().__init__(channels, cell_pattern, normalization, **kwargs)

    def _make_cell(self, channels, reduction, previous_reduction, name):
        return SearchCell(
            channels,
            reduction,
            previous_reduction,
            self.normalization,
            self.space,
            name=name,
            dtype=self.dtype_policy,
        )

    def call(self, masks, normal_weights, reduction_weights):
        normal, reduction = (
            by_source(weights, self.space) for weights in (normal_weights, reduction_weights)
        )
        older = newer = self._head(masks)
        for cell in self.cells:
            older, newer = newer, cell(older, newer, reduction if cell.reduction else normal)
        return self._bottom(newer)

    def get_config(self):
        return super().get_config() | {"space": dataclasses.asdict(self.space)}

    @classmethod
    def from_config(cls, config):
        return super().from_config(config | {"space": SearchSpace(**config["space"])})


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class DerivedDiscriminator(Discriminator):
    """The discriminator that a genotype describes, with learned scale and offset everywhere.

    Args:
        genotype: The cells' architecture.
        **kwargs: See `Discriminator`.

    Example:
        >>> import tensorflow as tf
        >>> from darts_adv_tf import Architecture, DerivedDiscriminator
        >>> genotype = Architecture().derive()
        >>> discriminator = DerivedDiscriminator(genotype, channels=4, cell_pattern="NR")
        >>> discriminator(tf.one_hot(tf.zeros((2, 16, 16), tf.int32), depth=3)).shape
        TensorShape([2])
    """

    def __init__(self, genotype: Genotype, **kwargs):
        self.genotype = genotype
        super().__init__(**kwargs)

    def _make_cell(self, channels, reduction, previous_reduction, name):
        return DerivedCell(
            self.genotype.reduction if reduction else self.genotype.normal,
            channels,
            reduction,
            previous_reduction,
            self.normalization,
            name=name,
            dtype=self.dtype_policy,
        )

    def call(self, masks):
        older = newer = self._head(masks)
        for cell in self.cells:
            older, newer = newer, cell(older, newer)
        return self._bottom(newer)

    def get_config(self):
        return super().get_config() | {"genotype": self.genotype.to_json()}

    @classmethod
    def from_config(cls, config):
        return super().from_config(config | {"genotype": Genotype.from_json(config["genotype"])})
