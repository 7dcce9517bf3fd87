"""A user's own segmenter: `--backbone=module:function`.

Legend: N batch, H, W height and width, K classes.
"""

import collections
import contextlib
import inspect
import itertools
import random
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from darts_adv_tf.system.entry_point import failed_entry_point, load_entry_point
from darts_adv_tf.system.errors import ConfigurationError
from darts_adv_tf.tf_graph.call_in_training import call_in_training
from darts_adv_tf.tf_graph.layer_names import fresh_layer_names

SIGNATURE = "function(image_shape, num_classes, width, seed) -> keras.Model"
_TRIAL_BATCH = 2


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class OwnSegmenter(keras.Model):
    """A user's model within one of Keras's functional models, whose input has a known shape.

    So a subclassed model, or one that is not built yet, serves as well as any other.
    """


class OwnBackbone:
    """Calls a user's function and makes sure that what it returns can be trained and exported.

    Names and initial weights of its layers follow from the arguments alone, whatever was made
    before in this process, so that a checkpoint finds its variables again.

    Args:
        name: `module:function`; the module is found as `import` finds it, which for
            `python -m` includes the current folder.

    Call: As `build_unet`, `(image_shape, num_classes, width, seed)`; returns a model from images
    `(N, H, W, channels)`, 0..1, to logits `(N, H, W, K)`.

    Raises:
        ConfigurationError: There is no such module or function, it raises, or what it returns is
            no segmenter; the message says why.

    Example:
        >>> segmenter = OwnBackbone("my_segmenters:small_net")((256, 256, 1), 4, width=16, seed=0)
    """

    def __init__(self, name: str):
        self.name = name
        self._function = load_entry_point(name, "--backbone", SIGNATURE)

    def __call__(
        self, image_shape: tuple[int, int, int], num_classes: int, width: int, seed: int
    ) -> keras.Model:
        arguments = {
            "image_shape": tuple(image_shape),
            "num_classes": num_classes,
            "width": width,
            "seed": seed,
        }
        self._check_signature(arguments)
        with fresh_layer_names(), _own_random_numbers(seed):
            model = self._guarded(self._function, **arguments)
            self._check_model(model)
            images = keras.Input(arguments["image_shape"], name="images")
            logits = self._guarded(model, images)
            if not isinstance(logits, keras.KerasTensor):
                raise self._mistake(
                    "A segmenter has one output, its logits.",
                    f"{type(logits).__name__}",
                    "Return the map of logits alone.",
                )
            expected = (None, *image_shape[:2], num_classes)
            self._check_shape(logits.shape, expected)
            segmenter = OwnSegmenter(images, logits, name="own_segmenter")
            self._check_variables(segmenter)
            self._try(segmenter, expected)
        return segmenter

    def _guarded(self, function: Callable, *inputs, **arguments):
        """Calls what the user wrote."""
        try:
            return function(*inputs, **arguments)
        except Exception as error:
            raise failed_entry_point(self.name, error, SIGNATURE) from error

    def _mistake(self, rule: str, received: object, remedy: str) -> ConfigurationError:
        return ConfigurationError(rule, received=f"{received}, of {self.name}", remedy=remedy)

    def _check_signature(self, arguments: dict):
        try:
            signature = inspect.signature(self._function)
        except ValueError:
            # Of some callables nothing is known before they are called.
            return
        try:
            signature.bind(**arguments)
        except TypeError as error:
            raise ConfigurationError(
                f"A segmenter's function is called by name with {', '.join(arguments)}.",
                received=f"{self.name}{signature}: {error}",
                remedy=f"Define {SIGNATURE}.",
            ) from None

    def _check_model(self, model: object):
        if not isinstance(model, keras.Model):
            raise self._mistake(
                "A segmenter is a keras.Model.",
                f"{type(model).__module__}.{type(model).__name__}",
                "Return a model made by keras.Model(inputs, outputs), keras.Sequential or a "
                "subclass of keras.Model.",
            )
        for kind in ("inputs", "outputs"):
            # Subclassed models do not know before they are called.
            num = len(getattr(model, kind, None) or [None])
            if num != 1:
                raise self._mistake(
                    "A segmenter has one input, the images, and one output, the logits.",
                    f"{num} {kind}",
                    "Return a model of one input and one output.",
                )

    def _check_shape(self, shape: tuple, expected: tuple):
        # Of a size that is not known yet anything may come.
        pairs = itertools.zip_longest(shape, expected, fillvalue=0)
        if any(None not in pair and pair[0] != pair[1] for pair in pairs):
            raise self._mistake(
                "A segmenter returns one map a class, of the image's size.",
                f"the shape {tuple(shape)}",
                f"Return the shape {expected}: (batch, height, width, classes).",
            )

    def _check_variables(self, segmenter: keras.Model):
        if not segmenter.trainable_variables:
            raise self._mistake(
                "A segmenter has weights that training can change.",
                "no trainable variable",
                "Leave some of its layers trainable.",
            )
        counts = collections.Counter(variable.path for variable in segmenter.variables)
        twice = sorted(path for path, count in counts.items() if count > 1)
        if twice:
            raise self._mistake(
                "Every variable has a name of its own, by which a checkpoint finds it.",
                f"more than one {', '.join(twice)}",
                "Give these layers different names, or none.",
            )
        if any(variable.constraint is not None for variable in segmenter.trainable_variables):
            raise self._mistake(
                "A step moves the weights by Adam, to wherever that leads.",
                "a weight with a constraint",
                "Leave out kernel_constraint and its like; layers such as SpectralNormalization "
                "are heeded.",
            )
        types = {str(variable.dtype) for variable in segmenter.trainable_variables}
        types.add(str(segmenter.outputs[0].dtype))
        if types != {"float32"}:
            raise self._mistake(
                "Weights and logits are float32.",
                ", ".join(sorted(types)),
                "Give at least the last layer dtype='float32'.",
            )

    def _check_gradient(self, segmenter: keras.Model, gradient: list):
        pairs = zip(segmenter.trainable_variables, gradient, strict=True)
        idle = [variable.path for variable, by_weight in pairs if by_weight is None]
        if idle:
            raise self._mistake(
                "Every trainable weight has a part in the logits, by differentiable operations.",
                f"no gradient by {', '.join(idle)}",
                "Leave out layers that the output does not depend on, and operations such as "
                "argmax.",
            )

    def _try(self, segmenter: keras.Model, expected_shape: tuple):
        """One small batch, as in training and as in evaluation."""
        generator = np.random.default_rng(0)
        shape = (_TRIAL_BATCH, *segmenter.input_shape[1:])
        images = tf.constant(generator.uniform(size=shape).astype(np.float32))
        theta = [tf.convert_to_tensor(variable.value) for variable in segmenter.trainable_variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(theta)
            in_training, _ = self._guarded(call_in_training, segmenter, theta, images)
        self._check_gradient(segmenter, self._guarded(tape.gradient, in_training, theta))
        in_evaluation = self._guarded(segmenter, images, training=False)
        for name, logits in (("training", in_training), ("evaluation", in_evaluation)):
            self._check_shape(logits.shape, expected_shape)
            if not np.isfinite(logits).all():
                raise self._mistake(
                    "A segmenter's first logits are finite.",
                    f"{np.size(logits) - np.isfinite(logits).sum()} of {np.size(logits)} that are "
                    f"not, for images in 0..1, in {name}",
                    "See its initial weights and what it divides by.",
                )
        if segmenter.losses:
            raise self._mistake(
                "A segmenter descends Eq. 1 of the paper and no other loss.",
                f"{len(segmenter.losses)} losses of its own",
                "Leave out kernel_regularizer and its like, and add_loss.",
            )
        is_within = (np.min(in_training) >= 0) and (np.max(in_training) <= 1)
        # Logits are so only by chance, as with last weights of 0; elsewhere they are beyond.
        if is_within and not _leaves_unit_interval(segmenter, theta, images, generator):
            sums_to_one = np.allclose(np.sum(in_training, axis=-1), 1, atol=1e-3)
            raise self._mistake(
                "A segmenter returns logits, not probabilities: the losses take the softmax.",
                f"values within 0 and 1 whatever its weights are{', summing to 1' * sums_to_one}",
                f"Leave out the {'softmax' if sums_to_one else 'sigmoid'} at its end.",
            )


@contextlib.contextmanager
def _own_random_numbers(seed: int):
    """Seeds what Keras, NumPy and TensorFlow draw from, apart from the discriminator's weights.

    Afterwards Python and NumPy go on as if nothing had been drawn, so that alpha's initial values
    do not depend on the segmenter.
    """
    of_python, of_numpy = random.getstate(), np.random.get_state()
    (own_seed,) = np.random.SeedSequence(seed, spawn_key=(1,)).generate_state(1)
    keras.utils.set_random_seed(int(own_seed))
    try:
        yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)


def _leaves_unit_interval(segmenter, theta, images, generator) -> bool:
    """Whether other weights bring outputs beyond 0..1, as of probabilities none can."""
    other = []
    for weight in theta:
        # Kernels that keep the scale of their input, and large offsets.
        scale = 10 if len(weight.shape) < 2 else np.prod(weight.shape[:-1]) ** -0.5
        other.append(tf.constant(scale * generator.normal(size=weight.shape), weight.dtype))
    outputs, _ = call_in_training(segmenter, other, images)
    return bool(np.min(outputs) < 0 or np.max(outputs) > 1)
