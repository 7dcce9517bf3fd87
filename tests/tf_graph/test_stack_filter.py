import numpy as np
import tensorflow as tf

from darts_adv_tf.data.batches import BatchArrays
from darts_adv_tf.tf_graph.stack_filter import without_stack_traces
from darts_adv_tf.training.trainer import Trainer


def gradient(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(tf.sin(x) @ x)
    return tape.gradient(y, x)


def gradient_without_stacks(x):
    with without_stack_traces():
        return gradient(x)


def traced(function):
    return tf.function(function, autograph=False)


def frames(graph):
    """How many lines of Python each node of a graph remembers; not its arguments and results."""
    return {
        operation.name: len(operation.traceback)
        for operation in graph.get_operations()
        if operation.type not in ("Placeholder", "Identity")
    }


def test_nodes_remember_no_python():
    x = tf.TensorSpec([2, 2])

    with_stacks, without = (
        frames(traced(function).get_concrete_function(x).graph)
        for function in (gradient, gradient_without_stacks)
    )

    assert len(without) > 3
    assert set(without.values()) == {0}
    assert with_stacks.keys() == without.keys()
    assert min(with_stacks.values()) > 0


def test_results_are_the_same():
    x = tf.constant(np.random.default_rng(0).normal(size=(3, 3)))

    np.testing.assert_array_equal(traced(gradient_without_stacks)(x), traced(gradient)(x))


def test_stacks_are_back_behind_the_context():
    @traced
    def function(x):
        with without_stack_traces():
            inside = tf.sin(x)
        outside = tf.cos(inside)
        assert not len(inside.op.traceback)
        assert any(frame.filename == __file__ for frame in outside.op.traceback)
        return outside

    function(tf.constant(0.0))


def test_a_step_of_training_is_traced_without_stacks():
    nodes = []

    class Summing(Trainer):
        def train_step(self, batch):
            total = tf.reduce_sum(batch.images)
            nodes.append(total.op)
            return {"total": total}

    trainer = Summing(strategy=tf.distribute.OneDeviceStrategy("CPU:0"))

    batch = BatchArrays(np.ones([2, 1, 1, 1], np.float32), np.zeros([2, 1, 1], np.uint8))
    assert trainer.step(batch) == {"total": 2}
    assert [len(node.traceback) for node in nodes] == [0]
