import copy
import itertools
import json
import os

import numpy as np
import pytest
import scipy.special
import scipy.stats

from darts_adv_tf.search_space.candidate_operations import PUBLISHED_OPERATIONS
from darts_adv_tf.search_space.genotype import (
    Genotype,
    derive,
    derive_cell,
    load_genotype,
    random_genotype,
    save_genotype,
)
from darts_adv_tf.search_space.space import PUBLISHED_SPACE as SPACE
from darts_adv_tf.system.errors import ConfigurationError

UNIFORM = 1 / 8


def op_weights(**strong_edges):
    """Uniform rows, but for `e<source>_<target>={operation: weight}`, whose rest is shared."""
    weights = np.full(SPACE.alpha_shape, UNIFORM)
    for name, row in strong_edges.items():
        source, target = map(int, name[1:].split("_"))
        edge = SPACE.edges.index((source, target))
        weights[edge] = (1 - sum(row.values())) / (8 - len(row))
        for operation, weight in row.items():
            weights[edge, PUBLISHED_OPERATIONS.index(operation)] = weight
    return weights


@pytest.fixture
def genotype():
    return Genotype(
        normal=(
            (("sep_conv_3x3", 0), ("skip_connect", 1)),
            (("sep_conv_5x5", 0), ("dil_conv_3x3", 2)),
            (("dil_conv_5x5", 1), ("avg_pool_3x3", 3)),
            (("max_pool_3x3", 3), ("max_pool_3x3", 4)),
        ),
        reduction=((("max_pool_3x3", 0), ("skip_connect", 1)),) * 4,
    )


def test_edges_are_ordered_by_target_then_source():
    assert list(SPACE.edges) == [
        *((0, 2), (1, 2)),
        *((0, 3), (1, 3), (2, 3)),
        *((0, 4), (1, 4), (2, 4), (3, 4)),
        *((0, 5), (1, 5), (2, 5), (3, 5), (4, 5)),
    ]


def test_derive_keeps_the_two_strongest_edges_of_each_target():
    weights = op_weights(
        e0_2={"sep_conv_3x3": 0.9},
        e1_2={"dil_conv_5x5": 0.3},
        e0_3={"max_pool_3x3": 0.4},
        e1_3={"skip_connect": 0.5},
        e2_3={"avg_pool_3x3": 0.6},
        e0_4={"sep_conv_5x5": 0.30},
        e3_4={"dil_conv_3x3": 0.31},
        e1_4={"sep_conv_3x3": 0.29},
        e4_5={"skip_connect": 0.2},
        e1_5={"max_pool_3x3": 0.7},
    )

    assert derive_cell(weights) == (
        (("sep_conv_3x3", 0), ("dil_conv_5x5", 1)),
        (("skip_connect", 1), ("avg_pool_3x3", 2)),
        (("sep_conv_5x5", 0), ("dil_conv_3x3", 3)),
        (("max_pool_3x3", 1), ("skip_connect", 4)),
    )


def test_ties_go_to_the_lower_sources_and_to_the_first_operation():
    assert (
        derive_cell(np.full(SPACE.alpha_shape, UNIFORM))
        == ((("max_pool_3x3", 0), ("max_pool_3x3", 1)),) * 4
    )


def test_a_tie_for_the_second_place_goes_to_the_lower_source():
    weights = op_weights(
        e3_5={"sep_conv_3x3": 0.4}, e4_5={"sep_conv_5x5": 0.3}, e2_5={"dil_conv_3x3": 0.3}
    )

    assert derive_cell(weights)[3] == (("dil_conv_3x3", 2), ("sep_conv_3x3", 3))


def test_none_is_never_derived_but_weakens_its_edge():
    weights = op_weights(
        e0_3={"none": 0.9, "sep_conv_3x3": 0.05},
        e1_3={"none": 0.5, "skip_connect": 0.2},
        e2_3={"none": 0.0, "dil_conv_3x3": 0.19},
    )

    assert derive_cell(weights)[1] == (("skip_connect", 1), ("dil_conv_3x3", 2))


def test_edges_survive_with_none_dominating_everywhere():
    weights = np.full(SPACE.alpha_shape, 0.01)
    weights[:, 0] = 0.93

    assert derive_cell(weights)[2] == (("max_pool_3x3", 0), ("max_pool_3x3", 1))


def test_derive_does_not_confuse_the_cells():
    genotype = derive(
        op_weights(e0_2={"sep_conv_3x3": 0.9}), op_weights(e0_2={"dil_conv_5x5": 0.9})
    )

    assert genotype.normal[0][0] == ("sep_conv_3x3", 0)
    assert genotype.reduction[0][0] == ("dil_conv_5x5", 0)
    assert genotype.concat == (2, 3, 4, 5)


@pytest.mark.parametrize(
    "weights",
    [
        np.full((13, 8), UNIFORM),
        np.full((14, 7), 1 / 7),
        np.zeros(SPACE.alpha_shape),
        np.full(SPACE.alpha_shape, np.nan),
        1e-3 * np.ones(SPACE.alpha_shape),
    ],
)
def test_derive_refuses_what_is_no_softmax(weights):
    with pytest.raises(ValueError, match="Received: op_weights"):
        derive_cell(weights)


@pytest.mark.parametrize("draw", [0, 7, 2**32 - 1])
def test_a_random_genotype_is_derived_from_an_alpha_of_its_number(draw):
    normal, reduction = 1e-3 * np.random.default_rng(draw).standard_normal((2, *SPACE.alpha_shape))

    assert random_genotype(draw) == derive(
        scipy.special.softmax(normal, axis=1), scipy.special.softmax(reduction, axis=1)
    )
    # Whatever else draws numbers.
    np.random.seed(5)
    assert random_genotype(draw) == random_genotype(draw)


def test_random_genotypes_take_every_operation_and_every_edge_as_often():
    """Their numbers are fixed, so that the test gives the same answer each time."""
    genotypes = [random_genotype(draw) for draw in range(1000)]
    assert len(set(genotypes)) == 1000
    derivable = [name for name in PUBLISHED_OPERATIONS if name != "none"]
    cells = [cell for genotype in genotypes for cell in (genotype.normal, genotype.reduction)]
    assert all(genotype.normal != genotype.reduction for genotype in genotypes)
    operations = [operation for cell in cells for edges in cell for operation, _ in edges]
    counts = [operations.count(name) for name in derivable]
    assert sum(counts) == 2 * 1000 * 4 * 2
    assert scipy.stats.chisquare(counts).pvalue > 1e-3
    for index, target in enumerate((2, 3, 4, 5)):
        kept = [tuple(source for _, source in cell[index]) for cell in cells]
        # A pair as often as any other.
        pairs = list(itertools.combinations(range(target), 2))
        if len(pairs) > 1:
            assert scipy.stats.chisquare([kept.count(pair) for pair in pairs]).pvalue > 1e-3


def test_file_holds_the_documented_schema_and_reads_back(genotype, tmp_path):
    path = tmp_path / "genotype.json"

    save_genotype(genotype, path)

    document = json.loads(path.read_text())
    of_space = {"operations", "intermediate_nodes", "kept_edges"}
    assert set(document) == {"format", "version", *of_space, "normal", "reduction", "concat"}
    assert tuple(document["operations"]) == PUBLISHED_OPERATIONS
    assert document["format"] == "darts_adv_tf.genotype"
    assert document["version"] == 1
    assert document["normal"][1] == [["sep_conv_5x5", 0], ["dil_conv_3x3", 2]]
    assert document["concat"] == [2, 3, 4, 5]
    assert load_genotype(path) == genotype
    assert os.listdir(tmp_path) == ["genotype.json"]


def test_a_wrong_genotype_cannot_be_made():
    edges = (("sep_conv_3x3", 0), ("none", 1))

    with pytest.raises(ConfigurationError, match=r"normal\[0\]\[1\]\[0\] = 'none'"):
        Genotype(normal=(edges,) * 4, reduction=(edges,) * 4)


def remove(key):
    return lambda document: document.pop(key)


def put(value, *place):
    def change(document):
        for step in place[:-1]:
            document = document[step]
        document[place[-1]] = value

    return change


BREACHES = {
    "no format": (remove("format"), "no format"),
    "no reduction": (remove("reduction"), "no reduction"),
    "an extra key": (put(1, "colour"), "also 'colour'"),
    "another format": (put("nasnet", "format"), "format = 'nasnet'"),
    "a newer version": (put(2, "version"), "version = 2"),
    "a bool as version": (put(True, "version"), "version = True"),
    "a float as version": (put(1.0, "version"), "version = 1.0"),
    "a cell of another type": (put({}, "normal"), "normal = {}"),
    "a cell of null": (put(None, "normal"), "normal = None"),
    "too few targets": (lambda d: d["normal"].pop(), "normal = [[["),
    "too many targets": (lambda d: d["normal"].append(d["normal"][3]), "normal = [[["),
    "a target of another type": (put("ab", "normal", 1), "normal[1] = 'ab'"),
    "one kept edge": (lambda d: d["normal"][2].pop(), "normal[2] = [["),
    "three kept edges": (put([["skip_connect", i] for i in range(3)], "normal", 2), "normal[2] ="),
    "an edge without source": (put(["skip_connect"], "normal", 2, 1), "normal[2][1] = ['skip"),
    "an edge that is text": (put("ab", "reduction", 2, 1), "reduction[2][1] = 'ab'"),
    "an unknown operation": (put("conv_7x7", "normal", 2, 1, 0), "normal[2][1][0] = 'conv_7x7'"),
    "an operation of another type": (put(["a"], "normal", 2, 1, 0), "normal[2][1][0] = ['a']"),
    "none": (put("none", "reduction", 0, 0, 0), "reduction[0][0][0] = 'none'"),
    "a source that is the target": (put(4, "normal", 2, 1, 1), "normal[2][1][1] = 4"),
    "a negative source": (put(-1, "normal", 2, 0, 1), "normal[2][0][1] = -1"),
    "a bool as source": (put(True, "normal", 0, 1, 1), "normal[0][1][1] = True"),
    "a float as source": (put(1.0, "normal", 0, 1, 1), "normal[0][1][1] = 1.0"),
    "text as source": (put("1", "normal", 0, 1, 1), "normal[0][1][1] = '1'"),
    "equal sources": (put(1, "normal", 2, 1, 1), "normal[2] = [["),
    "sources out of order": (lambda d: d["normal"][2].reverse(), "normal[2] = [["),
    "a shorter concat": (put([2, 3, 4], "concat"), "concat = [2, 3, 4]"),
    "a concat of floats": (put([2.0, 3, 4, 5], "concat"), "concat = [2.0, 3, 4, 5]"),
    "a concat out of order": (put([5, 4, 3, 2], "concat"), "concat = [5, 4, 3, 2]"),
    "a concat of another type": (put(4, "concat"), "concat = 4"),
}


@pytest.mark.parametrize(("change", "received"), BREACHES.values(), ids=BREACHES)
def test_breaches_of_the_schema_are_refused_by_file_and_place(change, received, genotype, tmp_path):
    document = copy.deepcopy(genotype.to_json())
    change(document)
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(document))

    with pytest.raises(ConfigurationError) as caught:
        load_genotype(path)

    assert f"Received: {received}" in str(caught.value)
    assert f"File: {path}" in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b"[]",
        b"null",
        b'"darts_adv_tf.genotype"',
        b'{"format": 1, "format": 2}',
    ],
)
def test_files_that_are_no_json_object_are_refused(content, tmp_path):
    path = tmp_path / "broken.json"
    path.write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"broken\.json"):
        load_genotype(path)


def test_the_message_says_what_is_allowed(genotype):
    document = genotype.to_json()
    document["normal"][2][1][1] = 7

    with pytest.raises(ConfigurationError, match="node 4 must be one of the nodes 0 to 3"):
        Genotype.from_json(document)


@pytest.mark.parametrize("name", ["absent.json", "."])
def test_a_path_without_a_file_is_refused(name, tmp_path):
    with pytest.raises(ConfigurationError, match="A genotype must be a JSON file"):
        load_genotype(tmp_path / name)
