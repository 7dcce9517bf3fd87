"""The private interfaces of TensorFlow and Keras: that each is there, and what happens if not.

Should one of these fail after an upgrade, `darts_adv_tf/tf_graph/README.md` says what to check.
"""

import importlib
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import darts_adv_tf
from darts_adv_tf.search_space.fused_mixed_op import FusedMixedOp
from darts_adv_tf.tf_graph import private_interfaces, rematerialization, tangents
from darts_adv_tf.tf_graph.layer_names import fresh_layer_names
from darts_adv_tf.tf_graph.ordered_sum import order_sums
from darts_adv_tf.tf_graph.private_interfaces import PRIVATE_INTERFACES, PrivateInterface
from darts_adv_tf.tf_graph.stack_filter import without_stack_traces
from darts_adv_tf.tf_graph.workers import limit_joining
from tests.tf_graph.private_uses import private_uses

PACKAGE = Path(darts_adv_tf.__file__).parent
README = (PACKAGE / "tf_graph" / "README.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def load_anew():
    PrivateInterface.load.cache_clear()
    yield
    PrivateInterface.load.cache_clear()


@pytest.fixture
def without(monkeypatch, capsys):
    """Makes one private interface missing, and returns the warning that this brings."""

    def remove(interface: PrivateInterface) -> str:
        PrivateInterface.load.cache_clear()
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, interface.module, None)
            assert interface.load() is None
        return capsys.readouterr().err

    return remove


@pytest.mark.parametrize("interface", PRIVATE_INTERFACES, ids=lambda interface: interface.module)
def test_each_is_there(interface, capsys):
    module = interface.load()
    assert module is not None
    assert all(hasattr(module, name) for name in interface.names)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("interface", PRIVATE_INTERFACES, ids=lambda interface: interface.module)
def test_a_missing_module_is_warned_of_once(interface, without, capsys):
    warning = without(interface)
    assert warning.startswith("warning: ") and warning.count("\n") == 1
    assert interface.module in warning and interface.lost in warning
    assert interface.load() is None
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("interface", PRIVATE_INTERFACES, ids=lambda interface: interface.module)
def test_a_missing_name_is_warned_of(interface, monkeypatch, capsys):
    *_, last = interface.names
    with monkeypatch.context() as patch:
        patch.delattr(importlib.import_module(interface.module), last)
        assert interface.load() is None
    assert f"lack {interface.module}: {last}. " in capsys.readouterr().err


@pytest.mark.parametrize("stride", [1, 2])
def test_without_records_of_tapes_the_derivatives_are_the_same(stride, without):
    random = np.random.default_rng(0)
    layer = FusedMixedOp(4, 2, stride)
    layer.build((None, None, None, 4))
    size = -(-6 // stride)
    image, weights, cotangent, image_cotangent = (
        tf.constant(random.normal(size=shape), tf.float32)
        for shape in ((2, 6, 6, 4), (2, 8), (2, size, size, 8), (2, 6, 6, 4))
    )

    def derivatives():
        rematerialization._derivatives.cache_clear()

        @tf.function(autograph=False)
        def run():
            watched = [image, weights]
            with tf.GradientTape(watch_accessed_variables=False) as outer:
                outer.watch(watched)
                with tf.GradientTape(watch_accessed_variables=False) as inner:
                    inner.watch(image)
                    y = layer(image, weights)
                first = inner.gradient(y, image, cotangent)
            return [y, first, *outer.gradient(first, watched, image_cotangent)]

        graph = run.get_concrete_function().graph.as_graph_def()
        num_nodes = len(graph.node) + sum(len(f.node_def) for f in graph.library.function)
        return [tensor.numpy() for tensor in run()], num_nodes

    expected, num_nodes = derivatives()
    assert without(private_interfaces.TAPE_RECORDS)
    received, num_more_nodes = derivatives()
    for one, other in zip(received, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert num_more_nodes > 1.1 * num_nodes
    rematerialization._derivatives.cache_clear()


@pytest.mark.parametrize(
    "interface", [private_interfaces.GRADIENT_SUMS, private_interfaces.VECTOR_SPACES]
)
def test_without_the_sums_of_tapes_the_graph_optimizer_is_still_set(
    interface, without, monkeypatch
):
    module = private_interfaces.VECTOR_SPACES.load()
    assert without(interface)
    monkeypatch.setattr(module, "TFE_Py_RegisterVSpace", lambda space: pytest.fail("set anyway"))
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": True})
    order_sums()
    assert tf.config.optimizer.get_experimental_options()["arithmetic_optimization"] is False


def test_without_the_list_of_tangents_those_of_public_means_are_there(without):
    assert without(private_interfaces.TANGENTS)
    tangents.define_tangents.cache_clear()
    tangents.define_tangents()
    images, direction = tf.random.normal([1, 8, 8, 1]), tf.random.normal([1, 8, 8, 1])
    with tf.autodiff.ForwardAccumulator(images, direction) as accumulator:
        y = tf.image.resize(images, (5, 9), "bicubic")
    expected = tf.image.resize(direction, (5, 9), "bicubic")
    np.testing.assert_allclose(accumulator.jvp(y), expected, atol=1e-6)
    tangents.define_tangents.cache_clear()


def test_without_the_filter_nodes_keep_their_stacks(without):
    assert without(private_interfaces.STACK_TRACES)

    @tf.function(autograph=False)
    def square(x):
        with without_stack_traces():
            y = x * x
        assert len(y.op.traceback) > 0
        return y

    assert square(tf.constant(3.0)) == 9


def test_without_the_counters_keras_counts_on(without):
    assert without(private_interfaces.KERAS_STATE)
    before = keras.layers.Dense(1).name
    with fresh_layer_names():
        inside = keras.layers.Dense(1).name
    assert inside.startswith("dense") and inside != before


def test_without_the_context_workers_join_without_a_limit(without):
    assert "without end" in without(private_interfaces.RUNTIME_CONTEXT)
    limit_joining(2, 60)


def test_the_context_keeps_the_limit():
    program = """
from tensorflow.python.eager import context
from darts_adv_tf.tf_graph.workers import limit_joining

limit_joining(num_workers=3, seconds=60)
settings = context.context().coordination_service
(job,) = settings.coordinated_job_list
print(job.name, job.num_tasks, settings.cluster_register_timeout_in_ms, settings.service_leader)
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout == "worker 3 60000 /job:worker/replica:0/task:0\n"


def test_private_names_are_used_in_this_folder_alone():
    found = {
        f"{path.relative_to(PACKAGE)}: {use}"
        for path, uses in private_uses(PACKAGE).items()
        if path.parent != PACKAGE / "tf_graph"
        for use in uses
    }
    assert found == set()


def test_the_readme_names_every_private_name():
    used = {use for uses in private_uses(PACKAGE).values() for use in uses}
    assert used >= {"_SPECIAL_CASES", "_default_vspace"}, "the search for them finds nothing"
    for interface in PRIVATE_INTERFACES:
        used |= {interface.module, *interface.names}
    assert {name for name in used if f"`{name}`" not in README} == set()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from tensorflow.python.eager import record", {"tensorflow.python.eager"}),
        ("import keras.src.backend as backend", {"keras.src.backend"}),
        ("from tensorboard.util import tensor_util", {"tensorboard.util"}),
        ("def f():\n    import tensorflow.core.framework", {"tensorflow.core.framework"}),
        ("import importlib\nimportlib.import_module('keras.src')", {"keras.src"}),
        ("import tensorflow as tf\ntf.__internal__.tf2.enable()", {"__internal__"}),
        ("def f(optimizer):\n    return optimizer._momentums", {"_momentums"}),
        ("class A:\n    _own = 1\n    def f(self):\n        return self._own", set()),
        ("class A:\n    def f(self):\n        self._own = 1\n        return A()._own", set()),
        ("import os\nos._exit(0)", set()),
        ("import tensorflow as tf\nimport keras\nfrom tensorboard import program", set()),
    ],
)
def test_a_private_use_is_found(text, expected, tmp_path):
    (tmp_path / "module.py").write_text(text)
    (uses,) = private_uses(tmp_path).values()
    assert uses == expected


def test_what_is_private_to_python_itself_is_no_concern(tmp_path):
    (tmp_path / "module.py").write_text("def f(batch):\n    return batch._replace(images=1)")
    assert private_uses(tmp_path) == {tmp_path / "module.py": set()}
