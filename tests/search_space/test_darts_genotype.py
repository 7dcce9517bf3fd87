"""Genotypes that the program of DARTS printed; the right cells are written out by hand."""

import pytest

from darts_adv_tf.search_space.darts_genotype import read_darts_genotype
from darts_adv_tf.search_space.genotype import load_genotype
from darts_adv_tf.search_space.space import PUBLISHED_OPERATIONS, SearchSpace
from darts_adv_tf.system.errors import ConfigurationError

NORMAL = (
    "[('sep_conv_3x3', 1), ('dil_conv_5x5', 0), ('skip_connect', 0), ('sep_conv_5x5', 2), "
    "('max_pool_3x3', 3), ('avg_pool_3x3', 1), ('dil_conv_3x3', 4), ('sep_conv_3x3', 0)]"
)
REDUCTION = (
    "[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 0), "
    "('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('avg_pool_3x3', 0)]"
)
NORMAL_CELL = (
    (("dil_conv_5x5", 0), ("sep_conv_3x3", 1)),
    (("skip_connect", 0), ("sep_conv_5x5", 2)),
    (("avg_pool_3x3", 1), ("max_pool_3x3", 3)),
    (("sep_conv_3x3", 0), ("dil_conv_3x3", 4)),
)
REDUCTION_CELL = (
    (("max_pool_3x3", 0), ("max_pool_3x3", 1)),
    (("max_pool_3x3", 0), ("skip_connect", 2)),
    (("max_pool_3x3", 0), ("skip_connect", 2)),
    (("avg_pool_3x3", 0), ("skip_connect", 2)),
)
PRINTED = (
    f"Genotype(normal={NORMAL}, normal_concat=range(2, 6), reduce={REDUCTION}, "
    "reduce_concat=range(2, 6))"
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(PRINTED, id="as printed"),
        pytest.param(f"\ufeff{PRINTED}\r\n\r\n", id="by a Windows editor"),
        pytest.param(PRINTED.replace("range(2, 6)", "[2, 3, 4, 5]"), id="lists"),
        pytest.param(f"# epoch 49\nFOUND = {PRINTED.replace('), ', '),{0}').format(chr(10))}"),
        pytest.param(f"Genotype({NORMAL}, range(2, 6), {REDUCTION}, range(2, 6))", id="by place"),
        pytest.param(
            "from collections import namedtuple\n"
            "Genotype = namedtuple('Genotype', 'normal normal_concat reduce reduce_concat')\n"
            f"PRIMITIVES = ['none']\nDARTS = {PRINTED}\n",
            id="among other Python",
        ),
    ],
)
def test_a_genotype_of_darts_is_read(tmp_path, text):
    (tmp_path / "genotype.py").write_text(text, "utf-8")
    genotype = load_genotype(tmp_path / "genotype.py")
    assert genotype.normal == NORMAL_CELL
    assert genotype.reduction == REDUCTION_CELL
    assert genotype.space == SearchSpace()


def test_it_is_of_the_search_space_of_the_run(tmp_path):
    (tmp_path / "genotype.py").write_text(PRINTED.replace("dil_conv_5x5", "conv_1x1"))
    space = SearchSpace((*PUBLISHED_OPERATIONS, "conv_1x1"))
    assert load_genotype(tmp_path / "genotype.py", space).normal[0][0] == ("conv_1x1", 0)
    with pytest.raises(ConfigurationError, match="'conv_1x1'") as caught:
        load_genotype(tmp_path / "genotype.py", SearchSpace())
    assert "--operations" in caught.value.remedy
    with pytest.raises(ConfigurationError, match="--intermediate_nodes=4") as caught:
        load_genotype(tmp_path / "genotype.py", SearchSpace(space.operations, 3))
    assert "--intermediate_nodes=3" in caught.value.rule


CALLS = "__import__('pathlib').Path('run').touch()"


@pytest.mark.parametrize(
    ("text", "received"),
    [
        pytest.param(f"{PRINTED}\n{PRINTED}", "2 of them", id="several"),
        pytest.param(f"10:03 genotype = {PRINTED}", "no Python", id="a line of a log"),
        pytest.param("Genotype(" * 5000, "no Python", id="unclosed"),
        pytest.param("# Genotype(", "0 of them", id="none"),
        pytest.param(PRINTED.replace("reduce=", "other="), "other", id="another field"),
        pytest.param(
            PRINTED.replace(", reduce_concat=range(2, 6)", ""), "normal", id="a field less"
        ),
        pytest.param(PRINTED.replace("reduce=", "normal="), "the fields", id="a field twice"),
        pytest.param(f"Genotype(**{CALLS})", "None", id="fields unpacked"),
        pytest.param(PRINTED.replace("range(2, 6)", CALLS), "malformed", id="code"),
        pytest.param(
            PRINTED.replace("range(2, 6)", f"range({CALLS})"), "malformed", id="inner code"
        ),
        pytest.param(PRINTED.replace("range(2, 6)", "range(2.5)"), "float", id="a broken range"),
        pytest.param(PRINTED.replace("range(2, 6)", "'2345'"), "no list", id="text"),
        pytest.param(PRINTED.replace("('skip_connect', 0), ", ""), "7 edges", id="an edge less"),
        pytest.param(
            PRINTED.replace("('skip_connect', 0)", "'skip_connect'"), "no (op", id="no pair"
        ),
    ],
)
def test_other_text_is_refused_and_nothing_is_executed(tmp_path, monkeypatch, text, received):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="of DARTS must be one") as caught:
        read_darts_genotype(text, "genotype.py")
    assert received in str(caught.value.received)
    assert "closing parenthesis" in caught.value.remedy
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("'dil_conv_5x5'", "'sep_conv_7x7'", "normal[0][0][0] = 'sep_conv_7x7'"),
        ("'dil_conv_5x5'", "'none'", "normal[0][0][0] = 'none'"),
        ("('dil_conv_5x5', 0)", "('dil_conv_5x5', 1)", "different sources"),
        ("('sep_conv_5x5', 2)", "('sep_conv_5x5', 3)", "normal[1][1][1] = 3"),
        ("=range(2, 6), reduce=", "=range(2, 5), reduce=", "normal_concat=[2, 3, 4], reduce"),
        ("range(2, 6)", "range(10 ** 0, 6)", "malformed"),
        ("range(2, 6)", "range(2, 1000000000000)", "concat = [2, 3, 4"),
    ],
)
def test_what_no_cell_can_be_is_refused(tmp_path, old, new, message):
    (tmp_path / "genotype.py").write_text(PRINTED.replace(old, new))
    with pytest.raises(ConfigurationError) as caught:
        load_genotype(tmp_path / "genotype.py")
    assert message in str(caught.value)
    assert caught.value.file == tmp_path / "genotype.py"
