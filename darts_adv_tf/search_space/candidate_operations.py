"""The candidate operations of an edge by name: DARTS' eight, a few more, and a user's own.

Reading the names needs no TensorFlow; the layers behind them are imported when one is made.
"""

import functools
from collections.abc import Callable
from typing import Any

from darts_adv_tf.system.entry_point import is_entry_point, load_entry_point

_LAYERS = "darts_adv_tf.search_space.operations"
SIGNATURE = "function(channels, stride, normalization, affine, dtype) -> keras.layers.Layer"
"""How a user's own operation is made: see `operations.Operation` for the arguments."""


NONE = "none"
"""No connection. It adds zero, takes its share of the softmax, and is never derived."""

CANDIDATE_OPERATIONS: dict[str, tuple[str, dict[str, Any]] | None] = {
    NONE: None,
    "max_pool_3x3": (f"{_LAYERS}:Pool", {"kind": "max"}),
    "avg_pool_3x3": (f"{_LAYERS}:Pool", {"kind": "average"}),
    "skip_connect": (f"{_LAYERS}:skip_connection", {}),
    "sep_conv_3x3": (f"{_LAYERS}:SeparableConvolution", {"size": 3}),
    "sep_conv_5x5": (f"{_LAYERS}:SeparableConvolution", {"size": 5}),
    "dil_conv_3x3": (f"{_LAYERS}:DilatedConvolution", {"size": 3}),
    "dil_conv_5x5": (f"{_LAYERS}:DilatedConvolution", {"size": 5}),
    # Not among the published ones.
    "conv_1x1": (f"{_LAYERS}:pointwise_convolution", {}),
    "dil_conv_7x7": (f"{_LAYERS}:DilatedConvolution", {"size": 7}),
}
"""By name a layer, `<module>:<function or class>`, and the arguments that make it the operation."""

PUBLISHED_OPERATIONS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""Those of the paper (section 3.2), in the order of DARTS (Liu et al., ICLR 2019)."""


def is_operation(name: object) -> bool:
    """Whether it is a name in the registry, or `<module>:<function>`."""
    return isinstance(name, str) and (name in CANDIDATE_OPERATIONS or is_entry_point(name))


def find_operation(name: str) -> Callable[..., Any]:
    """What makes the layer of an operation, called with (channels, stride, ...).

    Raises:
        ConfigurationError: There is no such module or function.
        ValueError: It is `none`, which has no layer, or no operation at all.
    """
    if name == NONE or not is_operation(name):
        raise ValueError(
            "An operation must be in CANDIDATE_OPERATIONS and not none, or <module>:<function>. "
            f"Received: {name!r}"
        )
    entry_point, arguments = CANDIDATE_OPERATIONS.get(name) or (name, {})
    make = load_entry_point(entry_point, "--operations", SIGNATURE)
    return functools.partial(make, **arguments)
