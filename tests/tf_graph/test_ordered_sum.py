"""Sums in a fixed order, beside TensorFlow's, whose order depends on who still needs an input."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.tf_graph.ordered_sum import order_sums, ordered_sum

# In float32 1 - 1e8 is -1e8: from the first to the last the sum is 1, from the last to the first 0.
PARTS = (1e8, -1e8, 1.0)
STILL_NEEDED = [kept for number in range(4) for kept in itertools.combinations(range(3), number)]


def total(add, still_needed):
    """The sum in a graph in which some of its inputs are needed besides."""

    @tf.function(autograph=False)
    def graph(*tensors):
        # Tensors of their own, whose memory may be used again.
        inputs = [tf.abs(tensor) * tf.sign(tensor) for tensor in tensors]
        return [add(inputs), *(inputs[index] for index in still_needed)]

    return float(graph(*(tf.fill([1000], part) for part in PARTS))[0][0])


def test_the_order_of_tensorflows_own_sum_depends_on_who_needs_its_inputs():
    """The reason for all this. Should it fail, `ordered_sum` may go."""
    assert {total(tf.add_n, kept) for kept in STILL_NEEDED} == {0.0, 1.0}


@pytest.mark.parametrize("kept", STILL_NEEDED)
def test_an_ordered_sum_goes_from_the_first_to_the_last(kept):
    order_sums()
    assert total(ordered_sum, kept) == 1


def test_an_ordered_sum_of_one_is_that_one():
    assert ordered_sum([tf.constant(3.0)]).numpy() == 3


def gradient_of_three_uses(still_needed):
    """The derivative of what uses x three times, by `PARTS`, with some of them needed besides."""

    @tf.function(autograph=False)
    def graph(x, *parts):
        parts = [tf.abs(part) * tf.sign(part) for part in parts]
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = [x * part for part in parts]
        return [tape.gradient(y, x), *(parts[index] for index in still_needed)]

    parts = [tf.fill([1000], part) for part in PARTS]
    return graph(tf.ones([1000]), *parts)[0].numpy()


def test_gradients_are_added_up_by_ordered_sums():
    order_sums()
    nodes = tf.function(lambda x: _third_power_gradient(x)).get_concrete_function(tf.ones([2]))
    sums = [node for node in nodes.graph.get_operations() if node.type == "AddN"]
    assert sums and all(len(node.inputs) == 2 for node in sums)
    results = [gradient_of_three_uses(kept) for kept in STILL_NEEDED]
    assert len({result.tobytes() for result in results}) == 1


def test_sparse_gradients_are_still_added_up():
    order_sums()
    table = tf.Variable(tf.ones([4, 2]))
    with tf.GradientTape() as tape:
        taken = [tf.gather(table, indices) for indices in ([0, 1], [1, 2], [1, 3])]
        y = tf.add_n(taken)
    expected = np.array([[1, 1], [3, 3], [1, 1], [1, 1]], np.float32)
    np.testing.assert_array_equal(tf.convert_to_tensor(tape.gradient(y, table)), expected)


def _third_power_gradient(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * 2 + x * 3 + x * 4 + x * 5
    return tape.gradient(y, x)
