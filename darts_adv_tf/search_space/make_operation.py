"""From the name of a candidate operation to its layer, the program's own or a user's.

Legend: N batch, H, W, C channels, s stride.
"""

import keras
import tensorflow as tf

from darts_adv_tf.search_space.candidate_operations import (
    CANDIDATE_OPERATIONS,
    SIGNATURE,
    find_operation,
)
from darts_adv_tf.search_space.operations import Operation
from darts_adv_tf.system.entry_point import failed_entry_point
from darts_adv_tf.system.errors import ConfigurationError
from darts_adv_tf.tf_graph.layer_names import fresh_layer_names

_TRIAL_SIZE = (2, 5, 6)
"""N, H and W: an odd and an even side."""


def make_operation(operation: str, channels: int, stride: int, **options) -> Operation:
    """The layer of a candidate operation, not built yet.

    Args:
        operation: A name in `CANDIDATE_OPERATIONS` other than `none`, which no derived cell
            holds, or `<module>:<function>`.
        channels: C.
        stride: s, 1 or 2.
        **options: See `Operation`.

    Raises:
        ConfigurationError: There is no such function, or it is none of an operation.
    """
    if operation in CANDIDATE_OPERATIONS:
        return find_operation(operation)(channels, stride, **options)
    return OwnOperation(channels, stride, operation, **options)


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class OwnOperation(Operation):
    """A user's own operation, tried once before it is used.

    Args:
        operation: `<module>:<function>`, called as `candidate_operations.SIGNATURE`.

    Raises:
        ConfigurationError: The function raises, or what it returns is no operation.
    """

    def __init__(self, channels: int, stride: int, operation: str, **options):
        super().__init__(channels, stride, **options)
        self.operation = operation
        make = find_operation(operation)
        with fresh_layer_names():
            self.layer = self._guarded(
                make,
                channels,
                stride,
                normalization=self.normalization,
                affine=self.affine,
                dtype=self.dtype_policy,
            )
        if not isinstance(self.layer, keras.layers.Layer):
            raise self._mistake(
                "An operation must be a keras.layers.Layer.", type(self.layer).__name__
            )

    def build(self, input_shape):
        del input_shape
        with fresh_layer_names():
            self._guarded(self.layer, keras.Input((None, None, self.channels), dtype=self.dtype))
        if self.layer.non_trainable_variables:
            names = ", ".join(variable.path for variable in self.layer.non_trainable_variables)
            raise self._mistake(
                "An operation must hold trainable weights alone. Instead of BatchNormalization, "
                "use darts_adv_tf.tf_graph.normalization.Normalization; leave out dropout.",
                names,
            )
        batch, height, width = _TRIAL_SIZE
        y = self._guarded(self.layer, tf.zeros([*_TRIAL_SIZE, self.channels], self.dtype))
        stride = self.stride
        expected = (batch, -(-height // stride), -(-width // stride), self.channels)
        if tuple(getattr(y, "shape", ())) != expected:
            raise self._mistake(
                f"An operation of stride {stride} must map the shape "
                f"{(*_TRIAL_SIZE, self.channels)} to {expected}.",
                f"the shape {tuple(getattr(y, 'shape', ()))}",
            )

    def call(self, x):
        return self.layer(x)

    def _guarded(self, function, *inputs, **options):
        try:
            return function(*inputs, **options)
        except Exception as error:
            raise failed_entry_point(self.operation, error, SIGNATURE) from error

    def _mistake(self, rule: str, received: str) -> ConfigurationError:
        return ConfigurationError(
            rule,
            received=f"{received}, of {self.operation}",
            remedy="Change the function; docs/extending.md has an example.",
        )

    def get_config(self):
        return super().get_config() | {"operation": self.operation}
