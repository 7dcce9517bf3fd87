"""How decided alpha is, in numbers worked out by hand."""

import numpy as np
import pytest

from darts_adv_tf.search_space.alpha import Architecture
from darts_adv_tf.search_space.candidate_operations import PUBLISHED_OPERATIONS
from darts_adv_tf.search_space.space import CELL_KINDS, SearchSpace
from darts_adv_tf.search_space.space import PUBLISHED_SPACE as SPACE
from darts_adv_tf.training.alpha_metrics import alpha_metrics
from tests.alphas import NONE, SEPARABLE, SKIP, with_scores


def metrics_of(architecture, cells=CELL_KINDS):
    return alpha_metrics(architecture.op_weights(), architecture.space, cells)


def test_they_tell_how_decided_each_kind_of_cell_is():
    decided = np.zeros(SPACE.alpha_shape)
    decided[:, SEPARABLE] = 1e3
    decided[:7, SEPARABLE] = 0
    decided[:7, NONE] = 1e3
    metrics = metrics_of(with_scores(np.zeros(SPACE.alpha_shape), decided))
    assert metrics == pytest.approx(
        {
            "alpha_entropy/normal": SPACE.largest_entropy,
            "alpha_none/normal": 1 / 8,
            "alpha_skip_connect/normal": 1 / 8,
            "alpha_none_edges/normal": 0,
            "alpha_skip_connect_edges/normal": 0,
            "alpha_entropy/reduction": 0,
            "alpha_none/reduction": 1 / 2,
            "alpha_skip_connect/reduction": 0,
            "alpha_none_edges/reduction": 1 / 2,
            "alpha_skip_connect_edges/reduction": 0,
        },
        rel=1e-6,
        abs=1e-9,
    )


def test_they_tell_on_which_edges_none_and_the_skip_connection_are_the_strongest():
    normal, reduction = np.zeros((2, *SPACE.alpha_shape))
    normal[:7, SKIP] = 1
    normal[5:8, NONE] = 2  # of these the skip connection would still be derived on two
    normal[8, [NONE, SKIP, SEPARABLE]] = 2, 1, 3
    reduction[:3, NONE] = 1
    reduction[2:6, SEPARABLE] = 2
    reduction[6, [NONE, SKIP]] = 1, 2
    metrics = metrics_of(with_scores(normal, reduction))
    shares = {name: share for name, share in metrics.items() if "_edges/" in name}
    assert shares == pytest.approx(
        {
            "alpha_none_edges/normal": 3 / 14,
            "alpha_skip_connect_edges/normal": 7 / 14,
            "alpha_none_edges/reduction": 2 / 14,
            "alpha_skip_connect_edges/reduction": 1 / 14,
        }
    )


def test_skip_connections_are_counted_as_they_would_be_derived():
    alphas = np.random.default_rng(0).normal(size=(2, *SPACE.alpha_shape))
    alphas[:, :, SKIP] += 1
    architecture = with_scores(*alphas)
    metrics, genotype = metrics_of(architecture), architecture.derive()
    for name, alpha in zip(("normal", "reduction"), alphas, strict=True):
        derivable = [PUBLISHED_OPERATIONS[1 + index] for index in alpha[:, 1:].argmax(axis=-1)]
        count = derivable.count("skip_connect")
        assert metrics[f"alpha_skip_connect_edges/{name}"] == pytest.approx(count / 14)
        derived = [operation for target in getattr(genotype, name) for operation, _ in target]
        assert 0 < derived.count("skip_connect") <= count < 14


def test_cells_that_the_discriminator_does_not_have_have_no_metrics():
    metrics = metrics_of(Architecture(), cells=("normal",))
    assert len(metrics) == 5
    assert all(name.endswith("/normal") for name in metrics)


@pytest.mark.parametrize(
    "space",
    [
        SPACE,
        SearchSpace(("skip_connect", "sep_conv_3x3"), 1),
        SearchSpace(("none", "sep_conv_3x3")),
    ],
)
def test_operations_that_the_space_does_not_have_have_no_metrics(space):
    metrics = metrics_of(Architecture(space))
    assert metrics["alpha_entropy/normal"] == pytest.approx(space.largest_entropy, rel=1e-3)
    for name in ("none", "skip_connect"):
        assert (f"alpha_{name}/normal" in metrics) == (name in space.operations)
        assert (f"alpha_{name}_edges/normal" in metrics) == (name in space.operations)
