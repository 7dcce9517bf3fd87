"""The gradient of the validation objective with respect to alpha, through one virtual step.

With the objective J_val of Eq. 8, the losses L_S and L_D of Eqs. 1 and 2, and the virtual step
theta' = theta - eta grad_theta L_S, phi' = phi - eta grad_phi L_D of Eq. 9, the chain rule gives

    d J_val(alpha, theta', phi') / d alpha
        = v_alpha - eta grad_alpha [<grad_theta L_S, v_theta> + <grad_phi L_D, v_phi>],

with v = grad J_val at (alpha, theta', phi') held constant inside the brackets. There are two
Hessian-vector products, since theta and phi descend different losses. (Where J_val is the
segmentation loss in place of Eq. 8, v_alpha and v_phi are zero, and one product remains.)

L_S depends on alpha only through the adversarial term of the predictions f. So with the
segmenter's tangent t = (d f / d theta) v_theta its product is <grad_f L_S, t>, and no second
derivative passes through the segmenter.

References: Dong et al., MICCAI 2019, Eqs. 3, 8 and 9; Liu et al., DARTS, ICLR 2019, Eqs. 6-8.
"""

from typing import Literal, NamedTuple

import tensorflow as tf

from darts_adv_tf.adversarial.game import (
    AdversarialGame,
    ArchitectureObjective,
    Batch,
    SegmenterPass,
)
from darts_adv_tf.system.errors import ConfigurationError
from darts_adv_tf.tf_graph.call_in_training import Tensors
from darts_adv_tf.tf_graph.ordered_sum import ordered_sum
from darts_adv_tf.tf_graph.rematerialization import gradients_wrt
from darts_adv_tf.tf_graph.replicas import sum_over_replicas
from darts_adv_tf.tf_graph.tangents import define_tangents

ArchitectureGradientMode = Literal["exact", "finite_difference", "first_order"]

FINITE_DIFFERENCE_SCALE = 0.01
"""The step of a finite difference along v is this over the norm of v, as in the DARTS source."""

WITHOUT_EFFECT = tf.UnconnectedGradients.ZERO
"""The gradient with respect to the alpha of a kind of cell that the discriminator lacks."""


class ArchitectureGradient(NamedTuple):
    """This replica's share: the replicas' shares add up to the gradient of the global batch.

    Attributes:
        gradient: What to descend, one tensor per alpha: `first_order` - eta * `second_order`.
        first_order: v_alpha, one tensor per alpha.
        second_order: The Hessian-vector products, without eta; empty in first order.
        objective: J_val, a scalar.
    """

    gradient: list[tf.Tensor]
    first_order: list[tf.Tensor]
    second_order: list[tf.Tensor]
    objective: tf.Tensor


def architecture_gradient(
    mode: ArchitectureGradientMode,
    game: AdversarialGame,
    theta: Tensors,
    phi: Tensors,
    alpha: Tensors,
    train_batch: Batch,
    val_batch: Batch,
    unroll_rate: float,
    segmenter_pass: SegmenterPass | None = None,
    objective: ArchitectureObjective = "discriminator",
) -> ArchitectureGradient:
    """Computes d J_val / d alpha; a pure function, which leaves every variable as it is.

    Args:
        mode: `exact` nests gradient tapes; `finite_difference` takes central differences of first
            derivatives, as the DARTS source does; `first_order` takes no virtual step.
        game: The players and their losses.
        theta: The segmenter's weights.
        phi: The discriminator's weights.
        alpha: (edges, operations) of the normal and of the reduction cells.
        train_batch: The batch of the virtual step.
        val_batch: The batch of J_val.
        unroll_rate: eta of Eq. 9.
        segmenter_pass: At `theta` and `train_batch`, if there is one already.
        objective: What J_val is; see `AdversarialGame.architecture_objective`.

    Returns:
        The gradient, its parts and the objective.

    Example:
        >>> import tensorflow as tf
        >>> from darts_adv_tf import AdversarialGame, Architecture, SearchDiscriminator
        >>> from darts_adv_tf import architecture_gradient, build_unet
        >>> from darts_adv_tf.adversarial.game import Batch
        >>> segmenter = build_unet((None, None, 1), num_classes=3, width=2)
        >>> discriminator = SearchDiscriminator(channels=2, cell_pattern="R")
        >>> discriminator.build((None, None, None, 3))
        >>> game = AdversarialGame(
        ...     segmenter, discriminator, num_classes=3, adversarial_weight=0.1, global_batch_size=2
        ... )
        >>> theta, phi, alpha = (
        ...     [variable.value for variable in owner.trainable_variables]
        ...     for owner in (segmenter, discriminator, Architecture())
        ... )
        >>> train_batch, val_batch = (
        ...     Batch(tf.random.uniform((2, 16, 16, 1)), tf.zeros((2, 16, 16), tf.int32))
        ...     for _ in range(2)
        ... )
        >>> gradient, *_ = architecture_gradient(
        ...     "exact", game, theta, phi, alpha, train_batch, val_batch, unroll_rate=1e-3
        ... )
        >>> [by_alpha.shape == scores.shape for by_alpha, scores in zip(gradient, alpha)]
        [True, True]
    """
    if mode == "first_order":
        value, (grad_alpha,) = _objective_gradients(
            game, theta, phi, alpha, val_batch, objective, (alpha,)
        )
        return ArchitectureGradient(grad_alpha, grad_alpha, [], value)

    segmenter_pass = segmenter_pass or SegmenterPass(game, theta, train_batch)
    training, products = virtual_step_products(game, theta, phi, alpha, train_batch, segmenter_pass)
    virtual_theta = _descend(theta, sum_over_replicas(training.grad_theta), unroll_rate)
    virtual_phi = _descend(phi, sum_over_replicas(training.grad_phi), unroll_rate)
    value, (grad_alpha, grad_theta, grad_phi) = _objective_gradients(
        game,
        *(virtual_theta, virtual_phi, alpha, val_batch, objective),
        sources=(alpha, virtual_theta, virtual_phi),
    )
    grad_theta, grad_phi = sum_over_replicas(grad_theta), sum_over_replicas(grad_phi)
    if mode == "exact":
        second_order = products(grad_theta, grad_phi)
    else:
        second_order = finite_difference_products(
            game, theta, phi, alpha, train_batch, grad_theta, grad_phi, segmenter_pass.fake_masks
        )
    gradient = [
        first - unroll_rate * second for first, second in zip(grad_alpha, second_order, strict=True)
    ]
    return ArchitectureGradient(gradient, grad_alpha, second_order, value)


def virtual_step_products(game, theta, phi, alpha, train_batch, segmenter_pass):
    """The training gradients, and a function that differentiates them with respect to alpha.

    One forward and one backward pass serve both the virtual step and the Hessian-vector products.

    Returns:
        `TrainingGradients`, and a function of (v_theta, v_phi) that returns
        grad_alpha [<grad_theta L_S, v_theta> + <grad_phi L_D, v_phi>]. It can be called once.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(alpha)
        training = game.training_gradients(theta, phi, alpha, train_batch, segmenter_pass)

    def products(v_theta: Tensors, v_phi: Tensors) -> list[tf.Tensor]:
        tangent = _segmenter_tangent(game, theta, train_batch.images, v_theta)
        with gradients_wrt("op_weights"):
            return tape.gradient(
                [training.grad_fake_masks, *training.grad_phi],
                alpha,
                output_gradients=[tangent, *v_phi],
                unconnected_gradients=WITHOUT_EFFECT,
            )

    return training, products


def finite_difference_products(
    game: AdversarialGame,
    theta: Tensors,
    phi: Tensors,
    alpha: Tensors,
    train_batch: Batch,
    v_theta: Tensors,
    v_phi: Tensors,
    fake_masks: tf.Tensor,
) -> list[tf.Tensor]:
    """Computes the same products by central differences, each with a step of its own.

    Approaches the exact ones on smooth networks. Where ReLU and max pooling have kinks inside the
    step, as in every network of this search space, the result is dominated by them.

    Returns:
        One tensor per alpha.
    """
    images, labels = train_batch
    step_theta, step_phi = (
        # Zero for a zero vector, whose product is zero too.
        tf.math.divide_no_nan(
            tf.constant(FINITE_DIFFERENCE_SCALE, v[0].dtype), tf.linalg.global_norm(v)
        )
        for v in (v_theta, v_phi)
    )

    fake_above, fake_below = (
        game.segment(_descend(theta, v_theta, step), images).fake_masks
        for step in (-step_theta, step_theta)
    )
    real_masks = game.real_masks(labels, fake_masks.dtype)
    phi_above = _descend(phi, v_phi, -step_phi)
    phi_below = _descend(phi, v_phi, step_phi)

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(alpha)
        along_theta = game.weighted_adversarial_loss(
            game.discriminate(phi, alpha, images, fake_above)
        ) - game.weighted_adversarial_loss(game.discriminate(phi, alpha, images, fake_below))
        along_phi = game.discriminator_loss(
            phi_above, alpha, images, real_masks, fake_masks
        ) - game.discriminator_loss(phi_below, alpha, images, real_masks, fake_masks)
        difference = tf.math.divide_no_nan(along_theta, 2 * step_theta)
        difference += tf.math.divide_no_nan(along_phi, 2 * step_phi)
    return tape.gradient(difference, alpha, unconnected_gradients=WITHOUT_EFFECT)


def _objective_gradients(game, theta, phi, alpha, val_batch, objective, sources):
    """J_val and its gradients with respect to each of several lists of tensors."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(sources)
        value = game.architecture_objective(theta, phi, alpha, val_batch, objective)
    gradients = tape.gradient(value, sources, unconnected_gradients=WITHOUT_EFFECT)
    # Of an embedding in the segmenter it is sparse.
    return value, tf.nest.map_structure(tf.convert_to_tensor, gradients)


def tangent_error(game: AdversarialGame, theta: Tensors, images: tf.Tensor) -> tf.Tensor:
    """Returns how far the segmenter's forward-mode derivative is from its gradient, as a fraction.

    With the tangent t = J v of the logits it is |<t, t> - <J^T t, v>| / <t, t>, in exact
    arithmetic 0. Training relies on the gradient J^T only; the exact product also needs J v, from
    which TensorFlow silently omits the operations that it has no tangent of.

    Args:
        game: The players.
        theta: The segmenter's weights, from which it moves at random: at its initial ones a
            branch may be multiplied by 0.
        images: Of a training batch.

    Returns:
        A scalar, alike on all replicas; 1 where the tangent is 0.
    """
    noise = [
        [
            # Of the size that keeps the scale of a layer's input; of vectors a tenth.
            tf.random.stateless_normal(weight.shape, (seed, index), dtype=weight.dtype)
            * (0.1 if len(weight.shape) < 2 else float(weight.shape[:-1].num_elements()) ** -0.5)
            for index, weight in enumerate(theta)
        ]
        for seed in (0, 1)
    ]
    theta, v = _descend(theta, noise[0], -1), noise[1]
    tangent, _ = _tangents(game, theta, images, v)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(theta)
        logits = game.segment(theta, images).logits
    gradient = tape.gradient(logits, theta, tangent, unconnected_gradients=WITHOUT_EFFECT)
    forwards = tf.reduce_sum(tangent**2)
    backwards = ordered_sum([tf.reduce_sum(g * d) for g, d in zip(gradient, v, strict=True)])
    forwards, backwards = sum_over_replicas([forwards, backwards])
    return tf.where(forwards > 0, tf.abs(forwards - backwards) / forwards, 1)


def _segmenter_tangent(game, theta, images, v_theta):
    """(d f / d theta) v_theta by forward-mode differentiation: (N, H, W, K)."""
    _, of_fake_masks = _tangents(game, theta, images, v_theta)
    return of_fake_masks


def _tangents(game, theta, images, v_theta):
    """Returns the tangents of the segmenter's logits and of the fake masks."""
    define_tangents()
    try:
        with tf.autodiff.ForwardAccumulator(list(theta), list(v_theta)) as accumulator:
            logits, fake_masks, _ = game.segment(theta, images)
        return (
            accumulator.jvp(logits, unconnected_gradients=WITHOUT_EFFECT),
            accumulator.jvp(fake_masks),
        )
    except (LookupError, NotImplementedError) as error:
        # The registry of gradients has no entry for the gradient of some operation.
        raise no_tangent(error) from error


def no_tangent(received: object) -> ConfigurationError:
    """Returns the error to raise where the segmenter does not permit the exact mode."""
    return ConfigurationError(
        "Every operation of the segmenter must have a forward-mode derivative for the exact "
        "architecture gradient.",
        received=received,
        remedy="Use --architecture_gradient=finite_difference, which needs none, or other layers "
        "in the segmenter.",
    )


def _descend(weights, gradients, rate):
    """weights - rate * gradients."""
    return [weight - rate * gradient for weight, gradient in zip(weights, gradients, strict=True)]
