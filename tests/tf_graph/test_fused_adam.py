import keras
import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.tf_graph.fused_adam import KERAS_EPSILON, AdamEpsilon, FusedAdam
from tests.training.adam import Adam

RATE = 2.0**-7  # Keras keeps the rate in float32, which holds this one exactly


def draw():
    rng = np.random.default_rng(0)
    start = [rng.normal(size=(3, 4)), rng.normal(size=(5,))]
    return start, [[rng.normal(size=value.shape) for value in start] for _ in range(6)]


def descend(kind, beta_1, in_graph, dtype, **options):
    start, gradients = draw()
    variables = [keras.Variable(value, dtype=dtype) for value in start]
    optimizer = kind(RATE, beta_1=beta_1, beta_2=0.999, **options)
    optimizer.build(variables)

    def apply(gradients):
        optimizer.apply(gradients, variables)

    apply = tf.function(apply) if in_graph else apply
    for step in gradients:
        apply([tf.constant(gradient, dtype) for gradient in step])
    return variables, optimizer


@pytest.mark.parametrize("beta_1", [0.9, 0.5])
@pytest.mark.parametrize("in_graph", [True, False])
@pytest.mark.parametrize(
    "epsilon",
    [
        None,
        # So large that its place shows.
        AdamEpsilon(0.5, "before_correction"),
        AdamEpsilon(0.5, "after_correction"),
        AdamEpsilon(1e-8, "after_correction"),
    ],
)
def test_adam_computed_in_numpy(in_graph, beta_1, epsilon):
    options = {} if epsilon is None else {"epsilon": epsilon.value, "epsilon_place": epsilon.place}
    variables, optimizer = descend(FusedAdam, beta_1, in_graph, "float64", **options)

    expected, gradients = draw()
    by_hand = Adam(expected, RATE, beta_1, epsilon=epsilon or KERAS_EPSILON)
    for step in gradients:
        by_hand.descend(step)
    for variable, value in zip(variables, expected, strict=True):
        np.testing.assert_allclose(variable.numpy(), value, rtol=1e-10)
    assert int(optimizer.iterations) == 6


@pytest.mark.parametrize(
    ("place", "positions"),
    # With beta_1 = 1/2, beta_2 = 3/4 and the gradients 2, 2, -2: m = 1, 3/2, -1/4,
    # v = 1, 7/4, 37/16, and bias-corrected 2, 2, -2/7 and 4, 4, 4.
    [
        # 2 / (2 + 1/2) twice, then -2/7 / (2 + 1/2).
        ("after_correction", [-0.8, -1.6, -1.4857142857142858]),
        # 1 / (1 + 1/2); sqrt(7/16) / (3/4) * 3/2 / (sqrt(7/4) + 1/2);
        # sqrt(37/64) / (7/8) * -1/4 / (sqrt(37/16) + 1/2).
        ("before_correction", [-0.6666666666666666, -1.3923747814892349, -1.2848662319680073]),
    ],
)
def test_three_steps_worked_out_by_hand(place, positions):
    weight = keras.Variable(0.0, dtype="float64")
    optimizer = FusedAdam(1.0, beta_1=0.5, beta_2=0.75, epsilon=0.5, epsilon_place=place)
    optimizer.build([weight])
    for gradient, position in zip([2.0, 2.0, -2.0], positions, strict=True):
        optimizer.apply([tf.constant(gradient, tf.float64)], [weight])
        assert float(weight.numpy()) == pytest.approx(position, rel=1e-9)


def test_the_place_of_epsilon_survives_its_configuration():
    optimizer = FusedAdam(RATE, epsilon=1e-8, epsilon_place="after_correction")
    again = FusedAdam.from_config(optimizer.get_config())
    assert (again.epsilon, again.epsilon_place) == (1e-8, "after_correction")


def test_variables_and_slots_are_those_of_keras():
    variables, optimizer = descend(FusedAdam, 0.9, True, "float32")
    expected, of_keras = descend(keras.optimizers.Adam, 0.9, True, "float32")

    for one, other in zip(
        [*variables, *optimizer.variables], [*expected, *of_keras.variables], strict=True
    ):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-4)


def arrays(variables, optimizer):
    return [variable.numpy() for variable in [*variables, *optimizer.variables]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("in_graph", [True, False])
def test_without_its_condition_a_step_leaves_all_as_it_is(in_graph, dtype):
    variables, optimizer = descend(FusedAdam, 0.9, in_graph, dtype)
    before = arrays(variables, optimizer)

    def apply(gradients, only_if):
        optimizer.apply(gradients, variables, only_if=only_if)

    apply = tf.function(apply) if in_graph else apply
    for broken in (np.nan, np.inf, -np.inf, 1.0):
        apply([tf.fill(v.shape, tf.constant(broken, dtype)) for v in variables], tf.constant(False))

    for one, other in zip(arrays(variables, optimizer), before, strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("in_graph", [True, False])
def test_steps_between_are_as_if_never_made(in_graph, dtype):
    start, gradients = draw()
    variables = [keras.Variable(value, dtype=dtype) for value in start]
    optimizer = FusedAdam(RATE, beta_1=0.9, beta_2=0.999)
    optimizer.build(variables)

    def apply(gradients, only_if):
        optimizer.apply(gradients, variables, only_if=only_if)

    apply = tf.function(apply) if in_graph else apply
    for step in gradients:
        good = [tf.constant(gradient, dtype) for gradient in step]
        apply([gradient * np.nan for gradient in good], tf.constant(False))
        apply(good, tf.constant(True))

    expected = arrays(*descend(FusedAdam, 0.9, in_graph, dtype))
    for one, other in zip(arrays(variables, optimizer), expected, strict=True):
        assert one.tobytes() == other.tobytes()
