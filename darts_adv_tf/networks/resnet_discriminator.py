"""ResNets as discriminators: what people designed, to be compared with what a search finds.

Legend: N batch, H, W, K mask channels, C channels.
"""

import keras
import tensorflow as tf

from darts_adv_tf.tf_graph.conv_and_pool import max_pool
from darts_adv_tf.tf_graph.initializers import convolution_uniform
from darts_adv_tf.tf_graph.normalization import Normalization, NormalizationMode

STEM_KERNEL = 7
BOTTLENECK_EXPANSION = 4

BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}
"""Residual blocks in each of the four stages, by the number of layers (He et al., Table 1).

ResNet10 is not in that table: "a variant of ResNet18 with only 4 residual blocks" (Dong et al.,
section 3.3).
"""
WITH_BOTTLENECK = {50}


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class Convolution(keras.layers.Layer):
    """A convolution without bias, padded alike on all sides, and its normalization.

    Args:
        channels: C of the result.
        kernel_size: Odd.
        stride: 1 or 2.
        normalization: See `normalize`.

    Shapes:
        (N, H, W, C') -> (N, ceil(H / stride), ceil(W / stride), C).
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int,
        stride: int = 1,
        normalization: NormalizationMode = "batch",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.channels = channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.normalization = Normalization(
            normalization, name="normalization", dtype=self.dtype_policy
        )

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(self.kernel_size, self.kernel_size, input_shape[-1], self.channels),
            initializer=keras.initializers.HeNormal(),
            name="kernel",
        )
        self.normalization.build((None, None, None, self.channels))

    def call(self, x):
        # Not by "SAME", which with a stride of 2 pads even sizes on one side alone.
        around = [self.kernel_size // 2] * 2
        padding = [[0, 0], around, around, [0, 0]]
        kernel = tf.convert_to_tensor(self.kernel)
        return self.normalization(tf.nn.conv2d(x, kernel, self.stride, padding))

    def get_config(self):
        return super().get_config() | {
            "channels": self.channels,
            "kernel_size": self.kernel_size,
            "stride": self.stride,
            "normalization": self.normalization.mode,
        }


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class ResidualBlock(keras.layers.Layer):
    """Convolutions beside a shortcut, added up before the last ReLU.

    Two of 3x3 or, with a bottleneck, 1x1, 3x3 and 1x1 to four times as many channels. A stride is
    that of the first 3x3 convolution, also with a bottleneck, where the publication's models have
    it at the first 1x1 and most since at the 3x3. The shortcut is the input, or a 1x1 convolution
    of it where the shapes differ.

    Args:
        channels: C of the 3x3 convolutions.
        stride: 1 or 2.
        has_bottleneck: Whether it is the block of ResNet50.
        normalization: See `normalize`.
    """

    def __init__(
        self,
        channels: int,
        stride: int = 1,
        has_bottleneck: bool = False,
        normalization: NormalizationMode = "batch",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.channels = channels
        self.stride = stride
        self.has_bottleneck = has_bottleneck
        self.normalization = normalization
        self.output_channels = channels * (BOTTLENECK_EXPANSION if has_bottleneck else 1)
        shapes = [(channels, 3, stride), (channels, 3, 1)]
        if has_bottleneck:
            shapes = [(channels, 1, 1), (channels, 3, stride), (self.output_channels, 1, 1)]
        self.convolutions = [
            self._make_convolution(*shape, f"convolution_{index}")
            for index, shape in enumerate(shapes)
        ]
        self.shortcut: keras.layers.Layer | None = None

    def _make_convolution(self, channels: int, kernel_size: int, stride: int, name: str):
        return Convolution(
            channels, kernel_size, stride, self.normalization, name=name, dtype=self.dtype_policy
        )

    def build(self, input_shape):
        shape = input_shape
        for convolution in self.convolutions:
            convolution.build(shape)
            shape = (None, None, None, convolution.channels)
        if self.stride > 1 or input_shape[-1] != self.output_channels:
            shortcut = self._make_convolution(self.output_channels, 1, self.stride, "shortcut")
            shortcut.build(input_shape)
            self.shortcut = shortcut

    def call(self, x):
        y = x
        for index, convolution in enumerate(self.convolutions):
            y = convolution(tf.nn.relu(y) if index else y)
        return tf.nn.relu(y + (x if self.shortcut is None else self.shortcut(x)))

    def get_config(self):
        return super().get_config() | {
            "channels": self.channels,
            "stride": self.stride,
            "has_bottleneck": self.has_bottleneck,
            "normalization": self.normalization,
        }


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class ResNetDiscriminator(keras.layers.Layer):
    """A ResNet with one output, and with the normalization of the searched discriminators.

    A 7x7 convolution of stride 2, ReLU and 3x3 max pooling of stride 2; four stages of residual
    blocks, each but the first halving the image and doubling the channels; global average pooling
    and one fully connected unit. Kernels start as He normal.

    Args:
        num_layers: 10, 18 or 50, see `BLOCKS`.
        channels: Of the first stage; 64 as published.
        normalization: Which statistics normalization uses; see `normalize`.

    Shapes:
        masks (N, H, W, K) -> logits (N,), positive for real.

    Raises:
        ValueError: There is no ResNet of so many layers here.

    References: He et al., Deep Residual Learning for Image Recognition, CVPR 2016.
    """

    def __init__(
        self,
        num_layers: int,
        channels: int = 64,
        normalization: NormalizationMode = "batch",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if num_layers not in BLOCKS:
            raise ValueError(
                f"A ResNet has {', '.join(map(str, BLOCKS))} layers. "
                f"Received: num_layers={num_layers}"
            )
        self.num_layers = num_layers
        self.channels = channels
        self.normalization = normalization
        arguments = {"normalization": normalization, "dtype": self.dtype_policy}
        self.stem = Convolution(channels, STEM_KERNEL, stride=2, name="stem", **arguments)
        self.blocks = []
        for stage, num_blocks in enumerate(BLOCKS[num_layers]):
            for index in range(num_blocks):
                block = ResidualBlock(
                    channels * 2**stage,
                    2 if stage and not index else 1,
                    num_layers in WITH_BOTTLENECK,
                    name=f"stage_{stage}_block_{index}",
                    **arguments,
                )
                self.blocks.append(block)

    def build(self, input_shape):
        self.stem.build(input_shape)
        shape = (None, None, None, self.channels)
        for block in self.blocks:
            block.build(shape)
            shape = (None, None, None, block.output_channels)
        self.bottom_kernel = self.add_weight(
            shape=(shape[-1], 1),
            initializer=convolution_uniform(fan_in=shape[-1]),
            name="bottom_kernel",
        )
        self.bottom_bias = self.add_weight(shape=(1,), initializer="zeros", name="bottom_bias")

    def call(self, masks):
        x = max_pool(tf.nn.relu(self.stem(masks)), stride=2)
        for block in self.blocks:
            x = block(x)
        pooled = tf.reduce_mean(x, axis=[1, 2])
        logits = pooled @ tf.convert_to_tensor(self.bottom_kernel) + self.bottom_bias
        return tf.squeeze(logits, axis=-1)

    def get_config(self):
        return super().get_config() | {
            "num_layers": self.num_layers,
            "channels": self.channels,
            "normalization": self.normalization,
        }
