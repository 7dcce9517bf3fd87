import itertools

import cv2
import numpy as np
import pytest

from darts_adv_tf.plots.genotype_plot import (
    KINDS,
    LABEL_HEIGHT,
    LABEL_WIDTH,
    NODE_RADIUS,
    draw_cell,
    lay_out,
    save_genotype_figures,
)
from darts_adv_tf.search_space.candidate_operations import PUBLISHED_OPERATIONS
from darts_adv_tf.search_space.genotype import Genotype
from darts_adv_tf.system.errors import StorageError

CHAIN = tuple((("sep_conv_3x3", target), ("max_pool_3x3", target + 1)) for target in range(4))
INPUTS_ONLY = ((("dil_conv_3x3", 0), ("skip_connect", 1)),) * 4

# Every choice of two sources for every target: 1 * 3 * 6 * 10.
ALL_SOURCES = list(
    itertools.product(*(itertools.combinations(range(target), 2) for target in range(2, 6)))
)


def points_on(curve):
    """(200, 2) points of a cubic Bézier curve."""
    t = np.linspace(0, 1, 200)[:, np.newaxis]
    a, b, c, d = curve
    return (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d


def layouts():
    for sources in ALL_SOURCES:
        yield lay_out(tuple(tuple(("skip_connect", s) for s in pair) for pair in sources))


def test_no_two_labels_of_any_genotype_overlap_nor_a_label_and_a_node():
    for layout in layouts():
        labels = np.array([edge.label for edge in layout.edges])
        for first, second in itertools.combinations(labels, 2):
            apart = np.abs(first - second)
            assert apart[0] > LABEL_WIDTH + 0.05 or apart[1] > LABEL_HEIGHT + 0.05
        for label, node in itertools.product(labels, np.array(layout.nodes)):
            beside = np.abs(label - node) - (LABEL_WIDTH / 2, LABEL_HEIGHT / 2)
            assert np.linalg.norm(np.maximum(beside, 0)) > NODE_RADIUS + 0.05


def test_no_line_of_any_genotype_passes_under_a_label():
    for layout in layouts():
        curves = [points_on(edge.incoming)[:-1] for edge in layout.edges]
        curves += [points_on(edge.outgoing)[1:] for edge in layout.edges]
        curves += [points_on(curve) for curve in layout.concatenations]
        points = np.concatenate(curves)
        for edge in layout.edges:
            beside = np.abs(points - edge.label) - (LABEL_WIDTH / 2, LABEL_HEIGHT / 2)
            assert np.all(np.max(beside, axis=1) > -1e-9)


def test_no_line_of_any_genotype_passes_under_a_strange_node():
    for sources, layout in zip(ALL_SOURCES, layouts(), strict=True):
        for index, edge in enumerate(layout.edges):
            own = {sources[index // 2][index % 2], 2 + index // 2}
            strange = [node for i, node in enumerate(layout.nodes) if i not in own]
            points = np.concatenate([points_on(edge.incoming), points_on(edge.outgoing)])
            distances = np.linalg.norm(points[:, np.newaxis] - strange, axis=-1)
            assert distances.min() > NODE_RADIUS + 0.05


def test_every_edge_starts_at_its_source_and_ends_at_its_target():
    for sources, layout in zip(ALL_SOURCES, layouts(), strict=True):
        ends = [
            (np.linalg.norm(edge.incoming[0] - layout.nodes[source]) < NODE_RADIUS)
            and np.isclose(np.linalg.norm(edge.outgoing[-1] - layout.nodes[target]), NODE_RADIUS)
            for edge, (source, target) in zip(
                layout.edges,
                [(s, t) for t, pair in enumerate(sources, start=2) for s in pair],
                strict=True,
            )
        ]
        assert all(ends)


def test_edges_of_one_source_do_not_touch():
    layout = lay_out(INPUTS_ONLY)
    for edges in (layout.edges[0::2], layout.edges[1::2]):
        for first, second in itertools.combinations(edges, 2):
            steps = points_on(first.incoming)[:, np.newaxis] - points_on(second.incoming)
            assert np.linalg.norm(steps, axis=-1).min() > 0.05


@pytest.mark.parametrize("operation", PUBLISHED_OPERATIONS[1:])
def test_every_operation_is_drawn_in_the_colour_of_its_kind(operation):
    picture = draw_cell((((operation, 0), (operation, 1)),) * 4, "Cell")

    shown = {
        part
        for part, (_, colour) in KINDS.items()
        if np.any(np.all(picture == [int(colour[i : i + 2], 16) for i in (1, 3, 5)], axis=-1))
    }
    assert shown == {operation.split("_")[1 if "pool" in operation else 0]}


def test_drawings_of_different_cells_differ_and_of_equal_ones_do_not():
    first, again, other = draw_cell(CHAIN, "A"), draw_cell(CHAIN, "A"), draw_cell(INPUTS_ONLY, "A")

    assert first.dtype == np.uint8
    assert first.shape[2] == 3
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def test_saved_figures_show_their_own_cell(tmp_path):
    genotype = Genotype(normal=CHAIN, reduction=INPUTS_ONLY)

    save_genotype_figures(genotype, tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {
        "genotype_normal.png",
        "genotype_reduction.png",
    }
    normal = cv2.imread(str(tmp_path / "genotype_normal.png"), cv2.IMREAD_COLOR_RGB)
    np.testing.assert_array_equal(normal, draw_cell(CHAIN, "Normal cell"))


def test_a_figure_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "occupied").write_text("")

    with pytest.raises(StorageError, match="genotype_normal"):
        save_genotype_figures(Genotype(normal=CHAIN, reduction=INPUTS_ONLY), tmp_path / "occupied")
