import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.search_space.candidate_operations import PUBLISHED_OPERATIONS
from darts_adv_tf.search_space.cell import (
    DerivedCell,
    SearchCell,
)
from darts_adv_tf.search_space.space import PUBLISHED_SPACE as SPACE
from tests.oracles.discriminator import EDGES, derived_cell, search_cell
from tests.oracles.operations import batch_normalization, group_normalization
from tests.search_space.weights import (
    assign_operation_weights,
    derived_cell_weights,
    operation_weights,
    randomize,
    search_cell_weights,
)

CHANNELS = 4
NORMALIZE = {"batch": batch_normalization, "group": group_normalization}
KEPT_EDGES = (
    (("sep_conv_3x3", 0), ("max_pool_3x3", 1)),
    (("skip_connect", 0), ("dil_conv_5x5", 2)),
    (("avg_pool_3x3", 1), ("skip_connect", 3)),
    (("sep_conv_5x5", 0), ("dil_conv_3x3", 4)),
)
KINDS = {
    "normal after normal": (False, False),
    "reduction": (True, False),
    "normal after reduction": (False, True),
}
kinds = pytest.mark.parametrize(
    ("reduction", "previous_reduction"), KINDS.values(), ids=KINDS.keys()
)


def cell_inputs(rng, previous_reduction, size=(6, 7)):
    """Inputs of a cell in its discriminator; their channels differ from its own."""
    older_size = [2 * side - (side % 2) for side in size] if previous_reduction else size
    older = rng.normal(size=(4, *older_size, 6))
    newer = rng.normal(size=(4, *size, 8))
    return older, newer


def random_op_weights(rng):
    weights = np.exp(rng.normal(size=SPACE.alpha_shape))
    return weights / weights.sum(axis=1, keepdims=True)


def build(cell, older, newer, rng):
    cell.build(older.shape, newer.shape)
    randomize(cell, rng)
    return cell


@kinds
@pytest.mark.parametrize("size", [(6, 7), (4, 4)])
@pytest.mark.parametrize("normalization", ["batch", "group"])
def test_search_cell_equals_one_wired_by_hand(normalization, size, reduction, previous_reduction):
    rng = np.random.default_rng(0)
    older, newer = cell_inputs(rng, previous_reduction, size)
    cell = SearchCell(CHANNELS, reduction, previous_reduction, normalization, dtype="float64")
    build(cell, older, newer, rng)
    op_weights = random_op_weights(rng)

    y = cell(older, newer, op_weights).numpy()

    expected = search_cell(
        older,
        newer,
        search_cell_weights(cell),
        op_weights,
        reduction,
        previous_reduction,
        NORMALIZE[normalization],
    )
    height, width = (-(-side // 2) if reduction else side for side in size)
    assert y.shape == (4, height, width, 4 * CHANNELS)
    np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-10)


@kinds
@pytest.mark.parametrize("normalization", ["batch", "group"])
def test_derived_cell_equals_one_wired_by_hand(normalization, reduction, previous_reduction):
    rng = np.random.default_rng(1)
    older, newer = cell_inputs(rng, previous_reduction)
    cell = DerivedCell(
        KEPT_EDGES, CHANNELS, reduction, previous_reduction, normalization, dtype="float64"
    )
    build(cell, older, newer, rng)

    y = cell(older, newer).numpy()

    expected = derived_cell(
        older,
        newer,
        derived_cell_weights(cell),
        KEPT_EDGES,
        reduction,
        previous_reduction,
        NORMALIZE[normalization],
    )
    np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-10)


def one_hot_op_weights(kept_edges):
    """Kept edges wholly their operation, dropped edges wholly `none`."""
    op_weights = np.zeros(SPACE.alpha_shape)
    op_weights[:, PUBLISHED_OPERATIONS.index("none")] = 1
    for target, edges in zip((2, 3, 4, 5), kept_edges, strict=True):
        for operation, source in edges:
            op_weights[EDGES.index((source, target))] = np.eye(len(PUBLISHED_OPERATIONS))[
                PUBLISHED_OPERATIONS.index(operation)
            ]
    return op_weights


@kinds
@pytest.mark.parametrize("normalization", ["batch", "group"])
def test_derived_cell_is_the_search_cell_with_one_hot_weights(
    normalization, reduction, previous_reduction
):
    rng = np.random.default_rng(2)
    older, newer = cell_inputs(rng, previous_reduction)
    kind = (CHANNELS, reduction, previous_reduction, normalization)
    search = build(SearchCell(*kind, dtype="float64"), older, newer, rng)
    derived = DerivedCell(KEPT_EDGES, *kind, affine=False, dtype="float64")
    build(derived, older, newer, rng)
    weights = search_cell_weights(search)
    for prepare, source in zip(derived.prepare, search.prepare, strict=True):
        assign_operation_weights(prepare, operation_weights(source))
    for target, edges, operations in zip((2, 3, 4, 5), KEPT_EDGES, derived.operations, strict=True):
        for (name, source), operation in zip(edges, operations, strict=True):
            assign_operation_weights(operation, weights[source, target][name])

    y = derived(older, newer)

    expected = search(older, newer, one_hot_op_weights(KEPT_EDGES))
    np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-10)


def test_edges_are_ordered_by_target_and_leave_their_sources_in_order():
    assert list(SPACE.edges) == list(EDGES)
    targets = [SPACE.targets_of(source) for source in SPACE.sources]
    assert targets == [(2, 3, 4, 5), (2, 3, 4, 5), (3, 4, 5), (4, 5), (5,)]


@kinds
def test_every_edge_reaches_the_output_of_its_cell(reduction, previous_reduction):
    rng = np.random.default_rng(3)
    older, newer = cell_inputs(rng, previous_reduction)
    cell = SearchCell(CHANNELS, reduction, previous_reduction, dtype="float64")
    build(cell, older, newer, rng)
    weighting = rng.normal(size=4 * CHANNELS)

    @tf.function
    def gradient(op_weights):
        with tf.GradientTape() as tape:
            tape.watch(op_weights)
            y = cell(older, newer, op_weights)
            value = tf.reduce_sum(tf.nn.relu(y) * weighting)
        return tape.gradient(value, op_weights)

    values = tf.convert_to_tensor(gradient(tf.constant(random_op_weights(rng)))).numpy()

    none, others = values[:, 0], values[:, 1:]
    assert not none.any()
    assert (np.abs(others) > 1e-6).all()


def test_search_cell_has_the_weights_that_the_definition_counts():
    cell = SearchCell(CHANNELS, reduction=True, previous_reduction=False)
    cell.build((4, 8, 8, 6), (4, 8, 8, 8))

    # An edge: separable 3x3 and 5x5 twice, dilated once, each with a pointwise kernel.
    edge = 2 * (9 * 4 + 16) + 2 * (25 * 4 + 16) + (9 * 4 + 16) + (25 * 4 + 16)
    # Eight edges leave the inputs with stride 2 and reduce in their skip connection.
    assert cell.count_params() == (6 + 8) * 4 + 14 * edge + 8 * 16
