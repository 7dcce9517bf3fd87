"""A user's own segmenter or discriminator, named `<module>:<function>`.

Legend: N batch, H, W height and width, K classes.
"""

import abc
import collections
import inspect
import itertools
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from darts_adv_tf.system.entry_point import failed_entry_point, load_entry_point
from darts_adv_tf.system.errors import ConfigurationError
from darts_adv_tf.tf_graph.call_in_training import call_in_training
from darts_adv_tf.tf_graph.initializers import seeded
from darts_adv_tf.tf_graph.layer_names import fresh_layer_names

Shape = tuple[int | None, ...]

_TRIAL_BATCH = 2
_TRIAL_WEIGHTS = 16


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class UserModel(keras.Model):
    """A user's model within one of Keras's functional models, whose input has a known shape.

    So a subclassed model, or one that is not built yet, serves as well as any other.
    """


class UserNetwork(abc.ABC):
    """Calls a user's function, and makes sure that what it returns can be trained.

    Names and initial weights of its layers follow from the arguments alone, whatever was made
    before in this process, so that a checkpoint finds its variables again. A subclass says what
    is particular to one of the two players.

    Args:
        name: `<module>:<function>`; the module is found as `import` finds it, which for
            `python -m` includes the current folder.

    Raises:
        ConfigurationError: There is no such module or function, it raises, or what it returns
            cannot be trained; the message says why.
    """

    kind: str
    """What messages call it."""
    flag: str
    input_name: str
    """What it is called with: the name of the function's first argument begins with it."""
    loss: str
    """What training descends."""
    model_name: str
    random_stream: int
    """The players draw their initial weights from independent streams of one seed."""

    def __init__(self, name: str):
        self.name = name
        self._function = load_entry_point(name, self.flag, self.signature)

    def __call__(
        self, input_shape: tuple[int, int, int], num_classes: int, width: int, seed: int
    ) -> UserModel:
        arguments = {
            f"{self.input_name}_shape": tuple(input_shape),
            "num_classes": num_classes,
            "width": width,
            "seed": seed,
        }
        self._check_signature(arguments)
        with fresh_layer_names(), seeded(seed, self.random_stream):
            model = self._guarded(self._function, **arguments)
            self._check_model(model)
            inputs = keras.Input(input_shape, name=f"{self.input_name}s")
            outputs = self._guarded(model, inputs)
            if not isinstance(outputs, keras.KerasTensor):
                raise self._mistake(
                    "have one output, its logits.",
                    f"{type(outputs).__name__}",
                    "Return the logits alone.",
                )
            self._check_shape(outputs.shape, (None, *input_shape[:2], num_classes))
            wrapped = UserModel(inputs, self._logits_of(outputs), name=self.model_name)
            self._check_variables(wrapped)
            self._check_on_batch(wrapped, (_TRIAL_BATCH, *input_shape[:2], num_classes))
        return wrapped

    @property
    def signature(self) -> str:
        """How the function is called."""
        return f"function({self.input_name}_shape, num_classes, width, seed) -> keras.Model"

    @abc.abstractmethod
    def _check_shape(self, shape: Shape, masks_shape: Shape) -> None:
        """Refuses outputs for masks (N, H, W, K) that have not the shape of logits."""

    @abc.abstractmethod
    def _logits_of(self, outputs: keras.KerasTensor) -> keras.KerasTensor:
        """The logits that the losses take."""

    # Not abstract: only a discriminator has something to refuse.
    def _check_input_gradient(self, gradient: tf.Tensor | None) -> None:  # noqa: B027
        """Refuses a network whose output's gradient with respect to its input is needed."""

    def _guarded(self, function: Callable, *inputs, **arguments):
        """Calls what the user wrote."""
        try:
            return function(*inputs, **arguments)
        except Exception as error:
            raise failed_entry_point(self.name, error, self.signature) from error

    def _mistake(self, must: str, received: object, remedy: str) -> ConfigurationError:
        return ConfigurationError(
            f"A {self.kind} must {must}", received=f"{received}, of {self.name}", remedy=remedy
        )

    def _check_signature(self, arguments: dict[str, object]) -> None:
        try:
            signature = inspect.signature(self._function)
        except ValueError:
            # Of some callables nothing is known before they are called.
            return
        try:
            signature.bind(**arguments)
        except TypeError as error:
            raise ConfigurationError(
                f"A {self.kind}'s function must take {', '.join(arguments)} by name.",
                received=f"{self.name}{signature}: {error}",
                remedy=f"Define {self.signature}.",
            ) from None

    def _check_model(self, model: object) -> None:
        if not isinstance(model, keras.Model):
            raise self._mistake(
                "be a keras.Model.",
                f"{type(model).__module__}.{type(model).__name__}",
                "Return a model made by keras.Model(inputs, outputs), keras.Sequential or a "
                "subclass of keras.Model.",
            )
        for kind in ("inputs", "outputs"):
            # Subclassed models do not know before they are called.
            num = len(getattr(model, kind, None) or [None])
            if num != 1:
                raise self._mistake(
                    f"have one input, the {self.input_name}s, and one output, the logits.",
                    f"{num} {kind}",
                    "Return a model of one input and one output.",
                )

    def _check_variables(self, model: UserModel) -> None:
        if not model.trainable_variables:
            raise self._mistake(
                "have weights that training can change.",
                "no trainable variable",
                "Leave some of its layers trainable.",
            )
        counts = collections.Counter(variable.path for variable in model.variables)
        duplicates = sorted(path for path, count in counts.items() if count > 1)
        if duplicates:
            raise self._mistake(
                "give every variable a name of its own, by which a checkpoint finds it.",
                f"more than one {', '.join(duplicates)}",
                "Give these layers different names, or none.",
            )
        if any(variable.constraint is not None for variable in model.trainable_variables):
            raise self._mistake(
                "have no constraints: Adam moves its weights without limits.",
                "a weight with a constraint",
                "Leave out kernel_constraint and the like; layers such as SpectralNormalization "
                "are supported.",
            )
        types = {str(variable.dtype) for variable in model.trainable_variables}
        types.add(str(model.outputs[0].dtype))
        if types != {"float32"}:
            raise self._mistake(
                "have weights and logits of type float32.",
                ", ".join(sorted(types)),
                "Give at least the last layer dtype='float32'.",
            )

    def _check_on_batch(self, model: UserModel, masks_shape: Shape) -> None:
        """Calls the model on one small batch, as in training and as in evaluation."""
        generator = np.random.default_rng(0)
        shape = (_TRIAL_BATCH, *model.input_shape[1:])
        inputs = tf.constant(generator.uniform(size=shape).astype(np.float32))
        theta = [tf.convert_to_tensor(variable.value) for variable in model.trainable_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([*theta, inputs])
            in_training, _ = self._guarded(call_in_training, model, theta, inputs)
        *grad_theta, grad_inputs = self._guarded(tape.gradient, in_training, [*theta, inputs])
        self._check_weight_gradient(model, grad_theta)
        self._check_input_gradient(grad_inputs)
        in_evaluation = self._guarded(model, inputs, training=False)
        for mode, logits in (("training", in_training), ("evaluation", in_evaluation)):
            self._check_shape(logits.shape, masks_shape)
            if not np.isfinite(logits).all():
                raise self._mistake(
                    "have finite logits at the start.",
                    f"{np.size(logits) - np.isfinite(logits).sum()} of {np.size(logits)} that are "
                    f"not, for {self.input_name}s in 0..1, in {mode}",
                    "Check its initial weights and what it divides by.",
                )
        if model.losses:
            raise self._mistake(
                f"have no loss of its own: training descends {self.loss}.",
                f"{len(model.losses)} losses of its own",
                "Leave out kernel_regularizer and the like, and add_loss.",
            )
        if _are_probabilities(model, theta, inputs, in_training, generator):
            sums_to_one = len(in_training.shape) > 1 and np.allclose(
                np.sum(in_training, axis=-1), 1, atol=1e-3
            )
            activation = "softmax" if sums_to_one else "sigmoid"
            raise self._mistake(
                "return logits, not probabilities: the losses take logits.",
                f"values within 0 and 1 whatever its weights are{', summing to 1' * sums_to_one}",
                f"Leave out the {activation} at its end.",
            )

    def _check_weight_gradient(
        self, model: UserModel, gradient: Sequence[tf.Tensor | None]
    ) -> None:
        pairs = zip(model.trainable_variables, gradient, strict=True)
        unused = [variable.path for variable, of_weight in pairs if of_weight is None]
        if unused:
            raise self._mistake(
                "use every trainable weight in its logits, by differentiable operations.",
                f"no gradient with respect to {', '.join(unused)}",
                "Leave out layers that the output does not depend on, and operations such as "
                "argmax.",
            )


class UserSegmenter(UserNetwork):
    """Builds a user's segmenter: `--backbone=<module>:<function>`.

    Call: As `build_unet`, `(image_shape, num_classes, width, seed)`; returns a model from images
    `(N, H, W, channels)`, 0..1, to logits `(N, H, W, K)`.

    Example:
        >>> segmenter = UserSegmenter("my_segmenters:small")((256, 256, 1), 4, width=16, seed=0)
    """

    kind = "segmenter"
    flag = "--backbone"
    input_name = "image"
    loss = "Eq. 1 of the paper"
    model_name = "own_segmenter"
    random_stream = 1

    def _check_shape(self, shape: Shape, masks_shape: Shape) -> None:
        # Of a size that is not known yet anything may come.
        pairs = itertools.zip_longest(shape, masks_shape, fillvalue=0)
        if any(None not in pair and pair[0] != pair[1] for pair in pairs):
            raise self._mistake(
                "return one map per class, of the image's size.",
                f"the shape {tuple(shape)}",
                f"Return the shape {masks_shape}: (batch, height, width, classes).",
            )

    def _logits_of(self, outputs: keras.KerasTensor) -> keras.KerasTensor:
        return outputs


class UserDiscriminator(UserNetwork):
    """Builds a user's discriminator: `--discriminator=<module>:<function>`.

    The function may return one logit per case, `(N,)` or `(N, 1)`, or a map of them,
    `(N, h, w, 1)`, as a PatchGAN does. The losses take one logit per case, for which the logits of
    a map are averaged: "averaging all responses to provide the ultimate output".

    Call: `(mask_shape, num_classes, width, seed)`, with `mask_shape` `(H, W, K)`, or
    `(H, W, K + channels)` where the discriminator sees the image behind the masks; returns a
    model from masks `(N, *mask_shape)`, 0..1, to logits `(N,)`, positive for real.

    Example:
        >>> discriminator = UserDiscriminator("my_gan:patch")((256, 256, 4), 4, width=16, seed=0)

    Reference: Isola et al., Image-to-Image Translation with Conditional Adversarial Networks,
    CVPR 2017, section 3.2.2.
    """

    kind = "discriminator"
    flag = "--discriminator"
    input_name = "mask"
    loss = "Eq. 2 of the paper"
    model_name = "discriminator"
    random_stream = 2

    def _check_shape(self, shape: Shape, masks_shape: Shape) -> None:
        batch, *others = shape
        is_known = batch is not None and masks_shape[0] is not None
        is_map = len(others) == 3 and others[-1] == 1 and 0 not in others
        if (is_known and batch != masks_shape[0]) or not (others in ([], [1]) or is_map):
            raise self._mistake(
                "return one logit per case, or one map of logits per case.",
                f"the shape {tuple(shape)}",
                "Return the shape (batch,), (batch, 1) or (batch, height, width, 1).",
            )

    def _logits_of(self, outputs: keras.KerasTensor) -> keras.KerasTensor:
        if len(outputs.shape) == 1:
            return outputs
        if len(outputs.shape) == 2:
            return keras.ops.squeeze(outputs, axis=-1)
        return keras.ops.mean(outputs, axis=(1, 2, 3))

    def _check_input_gradient(self, gradient: tf.Tensor | None) -> None:
        if gradient is None:
            raise self._mistake(
                "be differentiable with respect to the masks: the segmenter learns by it.",
                "no gradient with respect to its input",
                "Leave out operations such as argmax, round and stop_gradient.",
            )


def _are_probabilities(
    model: UserModel,
    theta: Sequence[tf.Tensor],
    inputs: tf.Tensor,
    outputs: tf.Tensor,
    generator: np.random.Generator,
) -> bool:
    """Whether no weights bring outputs beyond 0..1; logits may start within, as zeros."""
    for _ in range(_TRIAL_WEIGHTS):
        if np.min(outputs) < 0 or np.max(outputs) > 1:
            return False
        # Kernels that keep the scale of their input, and large offsets.
        scales = [
            10 if len(weight.shape) < 2 else np.prod(weight.shape[:-1]) ** -0.5 for weight in theta
        ]
        other = [
            tf.constant(scale * generator.normal(size=weight.shape), weight.dtype)
            for scale, weight in zip(scales, theta, strict=True)
        ]
        outputs, _ = call_in_training(model, other, inputs)
    return True
