"""Numbers of operations, nodes and kept edges, and what follows from them."""

import math

import numpy as np
import pytest

from darts_adv_tf.search_space.alpha import Architecture
from darts_adv_tf.search_space.genotype import (
    Genotype,
    derive,
    load_genotype,
    random_genotype,
    save_genotype,
)
from darts_adv_tf.search_space.space import PUBLISHED_SPACE, SearchSpace
from darts_adv_tf.system.errors import ConfigurationError

FIVE = ("max_pool_3x3", "none", "sep_conv_3x3", "skip_connect", "conv_1x1")
SPACES = [
    PUBLISHED_SPACE,
    SearchSpace(FIVE),
    SearchSpace(FIVE, 5, 1),
    SearchSpace(FIVE, 3, 4),
    SearchSpace(("skip_connect", "my_module:conv"), 1, 2),
]


def test_the_published_space_is_that_of_the_paper():
    assert SearchSpace() == PUBLISHED_SPACE
    assert PUBLISHED_SPACE.alpha_shape == (14, 8)
    assert PUBLISHED_SPACE.largest_entropy == math.log(8)
    assert PUBLISHED_SPACE.is_published
    assert not SearchSpace(PUBLISHED_SPACE.operations[::-1]).is_published


def test_nodes_and_edges_of_another_space():
    space = SearchSpace(FIVE, 5, 3)
    assert space.targets == (2, 3, 4, 5, 6)
    assert space.sources == (0, 1, 2, 3, 4, 5)
    assert len(space.edges) == 2 + 3 + 4 + 5 + 6
    assert space.targets_of(4) == (5, 6)
    # The first node has two inputs, of which it keeps both.
    assert [space.num_kept(target) for target in space.targets] == [2, 3, 3, 3, 3]
    assert space.derivable == ("max_pool_3x3", "sep_conv_3x3", "skip_connect", "conv_1x1")


@pytest.mark.parametrize(
    ("arguments", "received"),
    [
        ((("skip_connect",),), "--operations=skip_connect"),
        ((("none", "none"),), "--operations=none,none"),
        ((("none", "sep_conv_9x9"),), "with sep_conv_9x9"),
        ((FIVE, 0), "--intermediate_nodes=0"),
        ((FIVE, 4, 0), "--kept_edges=0"),
        ((FIVE, 4, 6), "--kept_edges=6 --intermediate_nodes=4"),
    ],
)
def test_what_is_no_search_space_is_refused(arguments, received):
    with pytest.raises(ConfigurationError, match="must") as caught:
        SearchSpace(*arguments)
    assert f"Received: {received}" in str(caught.value) or received in str(caught.value)


@pytest.mark.parametrize("space", SPACES)
def test_a_genotype_is_derived_saved_and_read_in_its_space(space, tmp_path):
    genotype = random_genotype(5, space)
    path = tmp_path / "genotype.json"
    save_genotype(genotype, path)

    assert load_genotype(path, space) == genotype
    assert genotype.concat == space.targets
    for cell in (genotype.normal, genotype.reduction):
        assert [len(edges) for edges in cell] == [space.num_kept(t) for t in space.targets]
        assert {name for edges in cell for name, _ in edges} <= set(space.derivable)


def test_the_strongest_edges_are_kept():
    space = SearchSpace(("sep_conv_3x3", "none", "skip_connect"), 2, 1)
    weights = np.array(
        [[0.5, 0.2, 0.3], [0.1, 0.3, 0.6], [0.4, 0.1, 0.5], [0.1, 0.8, 0.1]] + [[0.2, 0.2, 0.6]]
    )
    assert derive(weights, weights, space).normal == (
        (("skip_connect", 1),),
        (("skip_connect", 2),),
    )


def test_a_genotype_of_another_space_is_refused_with_the_flags_that_it_needs(tmp_path):
    path = tmp_path / "genotype.json"
    save_genotype(random_genotype(0, SearchSpace(FIVE, 5, 1)), path)
    with pytest.raises(ConfigurationError) as caught:
        load_genotype(path, PUBLISHED_SPACE)
    flags = f"--operations={','.join(FIVE)} --intermediate_nodes=5 --kept_edges=1"
    assert f"Received: {flags}" in str(caught.value)


def test_a_file_without_a_search_space_is_of_the_published_one():
    document = random_genotype(1).to_json()
    for key in ("operations", "intermediate_nodes", "kept_edges"):
        del document[key]
    assert Genotype.from_json(document) == random_genotype(1)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("operations", "none", '"operations" must list'),
        ("operations", ["none", 3], '"operations" must list'),
        ("operations", ["none", "sep_conv_9x9"], "docs/extending.md"),
        ("operations", ["none", "skip_connect"], "must be one of skip_connect"),
        ("intermediate_nodes", 5, "concat"),
        ("intermediate_nodes", True, '"intermediate_nodes" must be an integer'),
        ("kept_edges", 1, "must have 1 kept edges"),
    ],
)
def test_what_a_file_says_of_its_space_must_be_true(key, value, said, tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        Genotype.from_json(random_genotype(1).to_json() | {key: value}, tmp_path / "g.json")
    assert said in str(caught.value)
    assert "g.json" in str(caught.value)


@pytest.mark.parametrize("space", SPACES)
def test_alpha_is_of_its_space(space):
    architecture = Architecture(space)
    assert architecture.alpha_normal.shape == space.alpha_shape
    assert architecture.derive().space == space
