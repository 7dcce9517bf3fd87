"""Convolutions and poolings with few graph nodes and right second derivatives.

Legend: N batch, H, W, C channels, K kernel size.

Every function pads symmetrically and explicitly: `padding="same"` with stride 2 pads one side
only on even sizes, which is another operation than the DARTS source's.
"""

import tensorflow as tf

from darts_adv_tf.tf_graph.custom_gradients import constant, recorded


def size_of(x: tf.Tensor) -> list[int | tf.Tensor]:
    """The sizes of all axes: numbers where the shape is known in advance, else tensors."""
    if x.shape.is_fully_defined():
        return x.shape.as_list()
    return tf.unstack(tf.shape(x))


def depthwise(x: tf.Tensor, kernel: tf.Tensor, stride: int = 1) -> tf.Tensor:
    """Depthwise convolution with K // 2 pixels of zero padding on every side.

    Args:
        x: (N, H, W, C).
        kernel: (K, K, C, 1), K odd.
        stride: 1 or 2.

    Returns:
        (N, ceil(H / stride), ceil(W / stride), C).
    """
    if stride == 1:
        return _convolution(x, kernel, "SAME")
    # Padding first: oneDNN's gradients do not know paddings that are given in numbers.
    pad = kernel.shape[0] // 2
    x = tf.pad(x, [[0, 0], [pad, pad], [pad, pad], [0, 0]])
    return tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], "VALID")


def _convolution(x, kernel, padding):
    """A depthwise convolution of stride 1, of which the gradient by a wide kernel is fast.

    For kernels more than three pixels wide oneDNN has no code of its own for that gradient; two
    halves that overlap, three pixels wide, take about half the time of the whole.
    """
    strides = [1, 1, 1, 1]
    if kernel.shape[0] != 5:
        return tf.nn.depthwise_conv2d(x, kernel, strides, padding)

    def convolution(x, kernel):
        y = tf.nn.depthwise_conv2d(x, kernel, strides, padding)
        return [y], lambda g: [by_image(kernel, g), by_kernel(x, g)]

    def by_image(kernel, g):
        def transposed(kernel, g):
            y = tf.nn.depthwise_conv2d_backprop_input(tf.shape(x), kernel, g, strides, padding)
            return [y], lambda u: [by_kernel(u, g), _convolution(u, kernel, padding)]

        return recorded(transposed, [kernel, g])[0]

    def by_kernel(x, g):
        def correlation(x, g):
            around = [[0, 0], [2, 2], [2, 2], [0, 0]]
            padded = tf.pad(x, around) if padding == "SAME" else x
            width = tf.shape(g)[2] + 2
            shape = [5, 3, kernel.shape[2] or tf.shape(kernel)[2], 1]
            left, right = (
                tf.nn.depthwise_conv2d_backprop_filter(
                    tf.slice(padded, [0, 0, start, 0], tf.stack([-1, -1, width, -1])),
                    shape,
                    g,
                    strides,
                    "VALID",
                )
                for start in (0, 2)
            )
            y = tf.concat([left, right[:, 1:]], axis=1)
            return [y], lambda u: [by_image(u, g), _convolution(x, u, padding)]

        return recorded(correlation, [x, g])[0]

    return recorded(convolution, [x, kernel])[0]


def dilated_depthwise(
    x: tf.Tensor, kernels: tuple[tf.Tensor, ...], stride: int = 1
) -> tuple[tf.Tensor, ...]:
    """Depthwise convolutions of dilation 2, padded by K - 1 pixels on every side.

    TensorFlow's own dilation returns wrong values together with a stride, and surrounds each
    convolution by nodes of its own. With stride 2, dilation 2 and the even padding K - 1, only
    every second pixel is ever read: taking those first leaves a plain convolution. With stride 1
    the four phases of the image go into the batch, once for all kernels.

    Args:
        x: (N, H, W, C).
        kernels: each (K, K, C, 1), K odd.
        stride: 1 or 2.

    Returns:
        One (N, ceil(H / stride), ceil(W / stride), C) a kernel.
    """
    if stride == 2:
        x = every_other(x)
        return tuple(depthwise(x, kernel) for kernel in kernels)
    pad = max(kernel.shape[0] for kernel in kernels) - 1
    odd = tf.shape(x)[1:3] % 2
    around = tf.fill([2], pad)
    phases = tf.space_to_batch(x, [2, 2], tf.stack([around, around + odd], axis=1))
    outputs = []
    for kernel in kernels:
        y = _convolution(phases, kernel, "VALID")
        crop = tf.fill([2], pad - (kernel.shape[0] - 1))
        y = tf.batch_to_space(y, [2, 2], tf.stack([crop, crop + odd], axis=1))
        y.set_shape(x.shape)
        outputs.append(y)
    return tuple(outputs)


def max_pool(x: tf.Tensor, stride: int = 1) -> tf.Tensor:
    """3x3 max pooling over the pixels inside the image.

    The padding comes first, as a step of its own: a 3x3 stride 1 pooling that pads by itself has
    a second derivative of zero inside `tf.function` at many sizes (TensorFlow 2.21, CPU).

    Args:
        x: (N, H, W, C).
        stride: 1 or 2.

    Returns:
        (N, ceil(H / stride), ceil(W / stride), C).
    """
    padded = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=-3e38)
    return tf.nn.max_pool2d(padded, 3, stride, "VALID")


def average_pool(x: tf.Tensor, stride: int = 1) -> tf.Tensor:
    """3x3 average pooling; each average counts the pixels inside the image only.

    Args:
        x: (N, H, W, C).
        stride: 1 or 2.

    Returns:
        (N, ceil(H / stride), ceil(W / stride), C).
    """
    pooled = tf.nn.avg_pool2d(x, 3, 1, "SAME")
    return pooled if stride == 1 else every_other(pooled)


def every_other(x: tf.Tensor) -> tf.Tensor:
    """Every second row and column, from the first on: (N, H, W, C) -> (N, H / 2, W / 2, C).

    As a pooling over single pixels, which on a CPU is several times faster than a slice.
    """
    return tf.nn.avg_pool2d(x, 1, 2, "VALID")


def every_second_pixel(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The pixels (0, 0), (0, 2), ... and, shifted by one, (1, 1), (1, 3), ...; zero outside.

    Args:
        x: (N, H, W, C).

    Returns:
        Two tensors (N, ceil(H / 2), ceil(W / 2), C).
    """
    padded = tf.pad(x, [[0, 0], [0, 1], [0, 1], [0, 0]])
    # Not by an index, whose gradient is several times slower.
    shifted = tf.slice(padded, [0, 1, 1, 0], [-1, -1, -1, -1])
    return every_other(x), every_other(shifted)


def side_by_side(x: tf.Tensor, num_copies: int | tf.Tensor) -> tf.Tensor:
    """E copies of an image in the channels: (N, H, W, C) -> (N, H, W, E * C).

    With the sum over copies as its gradient, and that one's gradient this again.
    """

    def copy(x):
        return [tf.tile(x, [1, 1, 1, num_copies])], lambda gradient: [add(gradient)]

    def add(y):
        def total(y):
            *images, width = size_of(y)
            copies = tf.reshape(y, [*images, num_copies, width // num_copies])
            total = tf.reduce_sum(copies, constant((-2,), "int32"))
            return [total], lambda gradient: [side_by_side(gradient, num_copies)]

        return recorded(total, [y])[0]

    return recorded(copy, [x])[0]


def spread(weights: tf.Tensor, channels: int | tf.Tensor) -> tf.Tensor:
    """Repeats each weight for the C channels of its edge: (..., 1) -> (..., C).

    With the sum over channels as its gradient, and that one's gradient this again.
    """

    def repeat(weights):
        multiples = [1] * (weights.shape.rank - 1) + [channels]
        return [tf.tile(weights, multiples)], lambda gradient: [add(gradient)]

    def add(gradient):
        def total(gradient):
            total = tf.reduce_sum(gradient, constant((-1,), "int32"), keepdims=True)
            return [total], lambda weights: [spread(weights, channels)]

        return recorded(total, [gradient])[0]

    return recorded(repeat, [weights])[0]


class EdgeAxis:
    """Between edges side by side in the channels and an axis of their own.

    Convolutions want the first, (O, N, H, W, E * C); products within each edge the second,
    (O, E, N * H * W, C), where O operations lie behind each other.

    Args:
        images: N, H and W.
        num_edges: E.
        channels: C.
    """

    def __init__(self, images: list, num_edges: int | tf.Tensor, channels: int | tf.Tensor):
        batch, height, width = images
        pixels = batch * height * width
        self.side_by_side = tf.stack([-1, batch, height, width, num_edges * channels])
        self.behind_each_other = tf.stack([-1, pixels, num_edges, channels])
        self.swap = constant((0, 2, 1, 3), "int32")

    def apart(self, images: tf.Tensor) -> tf.Tensor:
        """(O, N, H, W, E * C) -> (O, E, N * H * W, C)."""

        def function(images):
            edges = tf.transpose(tf.reshape(images, self.behind_each_other), self.swap)
            return [edges], lambda gradient: [self.together(gradient)]

        return recorded(function, [images])[0]

    def together(self, edges: tf.Tensor) -> tf.Tensor:
        """(O, E, N * H * W, C) -> (O, N, H, W, E * C)."""

        def function(edges):
            images = tf.reshape(tf.transpose(edges, self.swap), self.side_by_side)
            images.set_shape([edges.shape[0], None, None, None, None])
            return [images], lambda gradient: [self.apart(gradient)]

        return recorded(function, [edges])[0]
