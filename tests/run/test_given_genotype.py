"""Which genotype a training goes by where no search finds one."""

import pytest

from darts_adv_tf.config import ModelConfig, RunConfig
from darts_adv_tf.run.stages import load_or_draw_genotype
from darts_adv_tf.search_space.genotype import derive, random_genotype, save_genotype
from darts_adv_tf.system.errors import ConfigurationError
from tests.search_space.op_weights import random_op_weights


def train(discriminator, genotype=None, **values) -> RunConfig:
    return RunConfig(
        command="train",
        model=ModelConfig(discriminator=discriminator, random_draw=values.pop("random_draw", 0)),
        genotype=genotype,
        **values,
    )


@pytest.fixture
def saved(tmp_path):
    """A genotype that no number draws, and its file."""
    genotype = derive(*random_op_weights(1))
    save_genotype(genotype, tmp_path / "given.json")
    return genotype, str(tmp_path / "given.json")


def test_a_random_one_goes_by_its_number_alone():
    first, again, other = (
        load_or_draw_genotype(train("random", random_draw=draw, seed=seed))
        for draw, seed in ((3, 0), (3, 1), (4, 0))
    )
    assert first == again == random_genotype(3)
    assert other == random_genotype(4) != first


@pytest.mark.parametrize("discriminator", ["none", "resnet10", "resnet18", "resnet50"])
def test_what_has_no_cells_has_no_genotype(discriminator, saved, tmp_path):
    genotype, _ = saved
    # Whatever lies in the work directory.
    save_genotype(genotype, tmp_path / "genotype.json")
    assert load_or_draw_genotype(train(discriminator, workdir=str(tmp_path))) is None


def test_a_search_has_none_yet():
    assert load_or_draw_genotype(RunConfig()) is None


@pytest.mark.parametrize("workdir", [None, "new"])
def test_a_derived_one_is_that_of_its_file(workdir, saved, tmp_path):
    genotype, path = saved
    workdir = None if workdir is None else str(tmp_path / workdir)
    assert load_or_draw_genotype(train("nas", path, workdir=workdir)) == genotype


def test_a_resumed_run_goes_by_its_copy(saved, tmp_path):
    genotype, path = saved
    save_genotype(random_genotype(0), path)
    workdir = tmp_path / "run"
    workdir.mkdir()
    save_genotype(genotype, workdir / "genotype.json")
    config = train("nas", path, workdir=str(workdir))
    assert load_or_draw_genotype(config) == genotype
    (tmp_path / "given.json").unlink()
    assert load_or_draw_genotype(config) == genotype


def test_a_file_that_is_missing_or_wrong_is_refused(tmp_path):
    config = train("nas", str(tmp_path / "given.json"))
    with pytest.raises(ConfigurationError, match=r"given\.json"):
        load_or_draw_genotype(config)
    (tmp_path / "given.json").write_text("{}")
    with pytest.raises(ConfigurationError, match=r"given\.json"):
        load_or_draw_genotype(config)
