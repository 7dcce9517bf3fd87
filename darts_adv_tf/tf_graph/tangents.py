"""Forward-mode derivatives that TensorFlow lacks or loses.

TensorFlow derives the tangent of an operation from the gradient of its gradient. Of resizing it
has none: the bilinear kind is then treated as a constant, without a word, the others raise an
error. Of max pooling with stride 1 and padding "same" the kernel writes over its own input, and
the tangent comes out as zeros in a graph.

A user's own segmenter may hold any of them.
"""

from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import tensorflow as tf

from darts_adv_tf.tf_graph.private_interfaces import TANGENTS

GRADIENTS_OF_GRADIENTS = {
    "ResizeBicubicGrad": ("ResizeBicubic", (), ("align_corners", "half_pixel_centers")),
    "ResizeNearestNeighborGrad": (
        "ResizeNearestNeighbor",
        (),
        ("align_corners", "half_pixel_centers"),
    ),
    "ScaleAndTranslateGrad": (
        "ScaleAndTranslate",
        ("scale", "translation"),
        ("kernel_type", "antialias"),
    ),
}
"""For each gradient of a resizing: the resizing, its inputs beside images and size, attributes."""


@cache
def define_tangents() -> None:
    """Makes `tf.autodiff.ForwardAccumulator` differentiate these operations.

    Where TensorFlow has no gradient of a gradient, by `tf.RegisterGradient`. Where it has one that
    is wrong, by its list of tangents written by hand, which is private; without it a warning says
    so.
    """
    for name, (resizing, inputs, attributes) in GRADIENTS_OF_GRADIENTS.items():
        register = tf.RegisterGradient(name)
        try:
            register(partial(_gradient_of_gradient, resizing, inputs, attributes))
        except KeyError:
            continue  # A later TensorFlow has it.
    forwardprop = TANGENTS.load()
    if forwardprop is not None:
        tangents = forwardprop._SPECIAL_CASES
        tangents.setdefault("ResizeBilinear", _tangent_of_bilinear_resizing)
        tangents.setdefault("MaxPool", _tangent_of_max_pool)


def _gradient_of_gradient(
    resizing: str,
    inputs: tuple[str, ...],
    attributes: tuple[str, ...],
    operation: tf.Operation,
    gradient: tf.Tensor,
) -> list[tf.Tensor | None]:
    """The transpose of the transpose of what is linear in its images is itself."""
    others = operation.inputs[2:]
    resized = getattr(tf.raw_ops, resizing)(
        images=gradient,
        size=tf.shape(operation.inputs[0])[1:3],
        **dict(zip(inputs, others, strict=True)),
        **{name: operation.get_attr(name) for name in attributes},
    )
    return [resized, None, *(None for _ in others)]


Tensors = Sequence[tf.Tensor]


def _tangent_of_bilinear_resizing(
    attributes: tuple, inputs: Tensors, outputs: Tensors, tangents: Tensors
) -> list[tf.Tensor]:
    """The tangent of what is linear in its images is itself, of their tangent."""
    del outputs
    given = _by_name(attributes)
    return [
        tf.raw_ops.ResizeBilinear(
            images=tangents[0],
            size=inputs[1],
            align_corners=given["align_corners"],
            half_pixel_centers=given["half_pixel_centers"],
        )
    ]


def _tangent_of_max_pool(
    attributes: tuple, inputs: Tensors, outputs: Tensors, tangents: Tensors
) -> list[tf.Tensor]:
    """The tangent at the place of each maximum."""
    given = _by_name(attributes)
    images, tangent, padding = inputs[0], tangents[0], given["padding"]
    if list(given["strides"]) == [1, 1, 1, 1] and padding == b"SAME":
        # By another size than its input's the output cannot take the input's memory.
        borders = [[(size - 1) // 2, size // 2] for size in given["ksize"]]
        images = tf.pad(images, borders, constant_values=images.dtype.min)
        tangent = tf.pad(tangent, borders)
        padding = b"VALID"
    return [
        tf.raw_ops.MaxPoolGradGrad(
            orig_input=images,
            orig_output=outputs[0],
            grad=tangent,
            ksize=given["ksize"],
            strides=given["strides"],
            padding=padding,
            data_format=given["data_format"],
        )
    ]


def _by_name(attributes: tuple) -> dict[str, Any]:
    """From (name, value, name, value ...)."""
    return dict(zip(attributes[::2], attributes[1::2], strict=True))
