"""Functions traced once for tensors of any size, which recompute what their derivatives need.

A search step calls the same few functions (a mixed operation, a preprocessing) hundreds of times,
on images and weights of many sizes: forward, backward, and once more through the backward pass.
Traced anew for every call they fill a graph whose nodes alone take minutes and gigabytes. Here
each becomes one function of TensorFlow's runtime, of tensors whose sizes are left open, and so do
its gradient and the gradient of that. A call of any of them is a single node of the caller's
graph.

Each of the three starts from the function's inputs, so between the calls nothing is kept but
inputs and outputs. `tf.recompute_grad` saves memory in the same way, at the same price of another
forward pass, but cannot be differentiated twice.
"""

import contextlib
import contextvars
import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import tensorflow as tf

from darts_adv_tf.tf_graph.custom_gradients import constant, recorded

Tensors = Sequence[tf.Tensor]

Kind = Literal["weights", "op_weights"]
"""Of a parameter behind the image: `op_weights` is the one of that name, the softmax of alpha;
every other, whatever its name, holds weights of the network."""

_is_inside: contextvars.ContextVar[bool] = contextvars.ContextVar("is_inside", default=False)
"""Whether a rematerialized function is being traced, in which others are called as they are."""

_kinds: contextvars.ContextVar[tuple[Kind, ...] | None] = contextvars.ContextVar(
    "kinds", default=None
)


@contextlib.contextmanager
def gradients_wrt(*kinds: Kind) -> Iterator[None]:
    """Leaves the other parameters out of the gradients of rematerialized functions.

    A tape does not tell the gradient of a single function which of its results will be used, so
    a gradient with respect to the image alone would cost as much as one with respect to all weights
    too. Around `tape.gradient` this tells it. The gradients of other parameters come out as None.
    That of the image, the first parameter, is always taken: all earlier layers are reached through
    it. A function that is not rematerialized knows nothing of it, and has all its gradients.

    Args:
        *kinds: Of the parameters with respect to which gradients are needed.
    """
    token = _kinds.set(kinds)
    try:
        yield
    finally:
        _kinds.reset(token)


def rematerialized(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Makes all calls of a function share one trace, and its derivatives recompute it.

    Args:
        function: Takes tensors by position, the image first, and hashable options by keyword;
            returns one tensor. The last parameter may be `*weights`, any number of tensors.
            A parameter called `op_weights` is the softmax of alpha, every other
            holds weights (see `gradients_wrt`). It does not rely on static sizes, and uses no
            variables.

    Returns:
        The same function, twice differentiable. In a graph its results have no static shape.
        With `inlined=True` it is called as it is: replicas cannot meet, as for statistics over
        all of them, inside a function of the runtime.
    """
    names = [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is not parameter.KEYWORD_ONLY
    ]

    def wanted(num_inputs: int) -> tuple[int, ...]:
        """Which tensors to take gradients with respect to, in this context."""
        kinds = _kinds.get()
        return tuple(
            index
            for index in range(num_inputs)
            if kinds is None or index == 0 or _kind(names[min(index, len(names) - 1)]) in kinds
        )

    @functools.wraps(function)
    def call(*inputs: tf.Tensor, inlined: bool = False, **options) -> tf.Tensor:
        if inlined or _is_inside.get():
            return function(*map(tf.convert_to_tensor, inputs), **options)
        derivatives = _derivatives(function, tuple(sorted(options.items())), _signature(inputs))

        def value(*inputs):
            return derivatives.value(*inputs), lambda g: gradient([*inputs, g])

        def gradient(arguments):
            first = wanted(len(inputs))
            first_derivative = derivatives.first(first)

            def by_wanted(*arguments):
                return first_derivative(*arguments), backward

            def backward(*cotangents):
                # The cotangent of the incoming gradient is always wanted.
                second = (*wanted(len(inputs)), len(inputs))
                by_second = derivatives.second(first, second)(*arguments, *cotangents)
                return _in_place(by_second, second, arguments)

            by_first = recorded(by_wanted, arguments)
            for index, tensor in zip(first, by_first, strict=True):
                tensor.set_shape(arguments[index].shape)
            return _in_place(by_first, first, inputs)

        (y,) = recorded(value, [tf.convert_to_tensor(tensor) for tensor in inputs])
        return y

    return call


def _inside(function):
    @functools.wraps(function)
    def call(*inputs):
        token = _is_inside.set(True)
        try:
            return function(*inputs)
        finally:
            _is_inside.reset(token)

    return call


def _kind(parameter: str) -> Kind:
    return "op_weights" if parameter == "op_weights" else "weights"


def _in_place(gradients: Tensors, indices: tuple[int, ...], inputs: Tensors) -> list:
    """One entry an input: its gradient, or None where it is not wanted."""
    by_index = dict(zip(indices, gradients, strict=True))
    return [by_index.get(index) for index in range(len(inputs))]


def _signature(tensors: Tensors) -> tuple[tuple[int, tf.DType], ...]:
    return tuple((len(tensor.shape), tf.as_dtype(tensor.dtype)) for tensor in tensors)


@functools.cache
def _derivatives(function, options, signature):
    return _Derivatives(functools.partial(function, **dict(options)), signature)


class _Derivatives:
    """A function and its derivatives as functions of the runtime, each traced at its first use."""

    def __init__(self, function, signature):
        self._function = _inside(function)
        self._inputs = [tf.TensorSpec([None] * rank, dtype) for rank, dtype in signature]
        self.value = _RuntimeFunction(lambda *inputs: [self._function(*inputs)], self._inputs)
        # Memory of this object's own: `functools.cache` on a method would keep the objects alive.
        self.first = functools.cache(self._trace_first)
        self.second = functools.cache(self._trace_second)

    def _gradient(self, wanted, arguments):
        *inputs, y_gradient = arguments
        sources = [inputs[index] for index in wanted]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(sources)
            y = self._function(*inputs)
        return tape.gradient(y, sources, y_gradient, unconnected_gradients="zero")

    def _trace_first(self, wanted):
        """(*inputs, gradient of the result) -> the gradients of the wanted inputs."""

        def gradient(*arguments):
            return self._gradient(wanted, arguments)

        return _RuntimeFunction(gradient, [*self._inputs, self._y_spec()])

    def _trace_second(self, first, second):
        """(*inputs, gradient of the result, cotangents of the first derivatives) -> the
        cotangents of the wanted arguments, of which the last is the gradient of the result."""
        num_arguments = len(self._inputs) + 1

        def backward(*arguments_and_cotangents):
            arguments = arguments_and_cotangents[:num_arguments]
            cotangents = list(arguments_and_cotangents[num_arguments:])
            sources = [arguments[index] for index in second]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(sources)
                gradients = self._gradient(first, arguments)
            return tape.gradient(gradients, sources, cotangents, unconnected_gradients="zero")

        specs = [*self._inputs, self._y_spec(), *(self._inputs[index] for index in first)]
        return _RuntimeFunction(backward, specs)

    def _y_spec(self):
        (y,) = self.value.outputs
        return tf.TensorSpec([None] * y.shape.rank, y.dtype)


class _RuntimeFunction:
    """A function of tensors to a list of tensors, a call of which is one node of a graph.

    Called as the only branch of a `StatelessCase`. By a `PartitionedCall`, as TensorFlow calls
    functions itself, the shapes of all nodes of the function are inferred anew at each call
    (23 ms, where a step has a thousand calls), and a step takes five times as long.

    Args:
        function: What to trace, once.
        signature: Of its inputs.
    """

    def __init__(self, function, signature):
        body = tf.function(
            function,
            input_signature=signature,
            autograph=False,
            experimental_attributes={"_noinline": True},
        )
        # The branch of a case is compiled without the passes that choose oneDNN's kernels, which
        # are several times faster. A function that the branch calls is compiled with them.
        branch = tf.function(
            lambda *inputs: body(*inputs), input_signature=signature, autograph=False
        )
        # Not in an `init_scope`, which would stop the tapes inside the function too.
        self._concrete = branch.get_concrete_function()
        self.outputs = self._concrete.outputs

    def __call__(self, *inputs: tf.Tensor) -> list[tf.Tensor]:
        return tf.raw_ops.StatelessCase(
            branch_index=constant(0, "int32"),
            input=[*inputs, *self._concrete.captured_inputs],
            Tout=[output.dtype for output in self.outputs],
            branches=[self._concrete],
            output_shapes=[output.shape for output in self.outputs],
        )
