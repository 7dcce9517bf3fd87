"""Forward-mode derivatives that TensorFlow lacks or loses.

TensorFlow derives the tangent of an operation from the gradient of its gradient. Of resizing it
has none: the bilinear kind is then treated as a constant, without a word, the others raise an
error. Of max pooling with stride 1 and padding "same" the kernel writes over its own input, and
the tangent comes out as zeros in a graph.

A user's own segmenter may hold any of them.
"""

from functools import cache

import tensorflow as tf
from tensorflow.python.eager import forwardprop

# What the operation takes beside its images, and its attributes.
LINEAR_OPERATIONS = {
    **dict.fromkeys(
        ("ResizeBilinear", "ResizeBicubic", "ResizeNearestNeighbor"),
        (("images", "size"), ("align_corners", "half_pixel_centers")),
    ),
    "ScaleAndTranslate": (
        ("images", "size", "scale", "translation"),
        ("kernel_type", "antialias"),
    ),
}


@cache
def define_tangents() -> None:
    """Makes `tf.autodiff.ForwardAccumulator` differentiate these operations.

    (TensorFlow's own list of tangents written by hand, not of its public interface.)
    """
    tangents = forwardprop._SPECIAL_CASES
    for name, (arguments, attributes) in LINEAR_OPERATIONS.items():
        tangents.setdefault(name, _tangent_of_linear(name, arguments, attributes))
    tangents.setdefault("MaxPool", _tangent_of_max_pool)


def _tangent_of_linear(name, arguments, attribute_names):
    """The tangent of what is linear in its first argument is itself, of the tangent."""
    operation = getattr(tf.raw_ops, name)

    def tangent(attributes, inputs, outputs, tangents):
        del outputs
        given = _by_name(attributes)
        values = dict(zip(arguments, [tangents[0], *inputs[1:]], strict=True))
        return [operation(**values, **{key: given[key] for key in attribute_names})]

    return tangent


def _tangent_of_max_pool(attributes, inputs, outputs, tangents):
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


def _by_name(attributes: tuple) -> dict:
    """From (name, value, name, value ...)."""
    return dict(zip(attributes[::2], attributes[1::2], strict=True))
