"""From a configuration to the parts of a run."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.config import (
    DataConfig,
    DistributionConfig,
    ModelConfig,
    RunConfig,
    TrainingConfig,
)
from darts_adv_tf.data.split import Split, write_cases_csv
from darts_adv_tf.networks.cell_discriminator import DerivedDiscriminator, SearchDiscriminator
from darts_adv_tf.networks.resnet_discriminator import ResNetDiscriminator
from darts_adv_tf.run.components import (
    Run,
    make_batches,
    make_run,
    make_search_trainer,
    make_segmenter,
    make_trainer,
)
from darts_adv_tf.search_space.genotype import derive, random_genotype
from darts_adv_tf.system.errors import ConfigurationError, DataError
from darts_adv_tf.training.adversarial_trainer import AdversarialTrainer
from darts_adv_tf.training.search_trainer import SearchTrainer
from darts_adv_tf.training.segmentation_trainer import SegmentationTrainer
from tests.search_space.op_weights import random_op_weights

SIZE = 32
CONFIG = RunConfig(
    data=DataConfig(image_size=SIZE, phantom_cases=6, train_cases=4),
    model=ModelConfig(segmenter_width=2, discriminator_channels=2, discriminator_cells="NR"),
    training=TrainingConfig(
        batch_size=2,
        learning_rate=0.25,
        architecture_learning_rate=0.125,
        adversarial_weight=0.5,
        architecture_gradient="finite_difference",
    ),
    distribution=DistributionConfig(strategy="one_device"),
    workdir="no_folder_of_that_name",
)
GENOTYPE = derive(*random_op_weights(0))


@pytest.fixture(autouse=True)
def determinism(monkeypatch):
    """Keeps settings of the whole process from outlasting the test.

    Returns:
        A list of the times that determinism was asked for.
    """
    asked = []
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: asked.append(True))
    monkeypatch.setattr(tf.config.optimizer, "set_experimental_options", lambda options: None)
    return asked


def with_model(**values) -> RunConfig:
    return dataclasses.replace(CONFIG, model=dataclasses.replace(CONFIG.model, **values))


def of_train(genotype=None, seed=0, **values) -> RunConfig:
    """The same for `train`, with these values of the model."""
    model = dataclasses.replace(CONFIG.model, **values)
    return dataclasses.replace(CONFIG, command="train", model=model, genotype=genotype, seed=seed)


def arrays(*models):
    return [variable.numpy() for model in models for variable in model.trainable_variables]


def assert_equal(received, expected):
    for one, other in zip(received, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def players_of_a_search(config):
    trainer = make_search_trainer(make_run(config))
    return arrays(trainer.game.segmenter, trainer.game.discriminator, trainer.architecture)


def test_the_phantom_is_made_and_split_as_configured():
    run = make_run(CONFIG)
    assert run.dataset.images.shape == (6, SIZE, SIZE, 1)
    split = run.split
    assert [len(part) for part in (split.train, split.val, split.test)] == [2, 2, 2]


def test_a_folder_is_read_where_configured(tmp_path):
    data = DataConfig("cx_seg", str(tmp_path / "absent"), image_size=SIZE, train_cases=4)
    with pytest.raises(DataError, match="absent"):
        make_run(dataclasses.replace(CONFIG, data=data))


def test_a_search_has_the_values_of_its_configuration():
    trainer = make_search_trainer(make_run(CONFIG))
    assert type(trainer) is SearchTrainer
    discriminator = trainer.game.discriminator
    assert type(discriminator) is SearchDiscriminator
    assert (discriminator.channels, discriminator.cell_pattern) == (2, "NR")
    assert discriminator.normalization == "batch"
    assert (trainer.game.adversarial_weight, trainer.game.global_batch_size) == (0.5, 2)
    assert trainer.game.num_classes == 4
    assert (trainer.gradient_mode, trainer.unroll_rate) == ("finite_difference", 0.25)
    rates = [
        float(optimizer.learning_rate)
        for optimizer in (
            trainer.segmenter_optimizer,
            trainer.discriminator_optimizer,
            trainer.architecture_optimizer,
        )
    ]
    assert rates == [0.25, 0.25, 0.125]


def test_an_unroll_rate_of_its_own_is_heeded():
    training = dataclasses.replace(CONFIG.training, unroll_rate=0.75)
    config = dataclasses.replace(CONFIG, training=training)
    assert make_search_trainer(make_run(config)).unroll_rate == 0.75


def test_retraining_takes_the_derived_discriminator():
    trainer = make_trainer(make_run(CONFIG), GENOTYPE)
    assert type(trainer) is AdversarialTrainer
    assert type(trainer.game.discriminator) is DerivedDiscriminator
    assert trainer.game.discriminator.genotype == GENOTYPE
    assert float(trainer.segmenter_optimizer.learning_rate) == 0.25


def test_training_alone_takes_none():
    trainer = make_trainer(make_run(of_train(discriminator="none")), None)
    assert type(trainer) is SegmentationTrainer
    assert (trainer.global_batch_size, float(trainer.segmenter_optimizer.learning_rate)) == (
        2,
        0.25,
    )


@pytest.mark.parametrize(
    ("discriminator_input", "channels"), [("masks", 4), ("images_and_masks", 5)]
)
def test_the_discriminator_has_room_for_what_it_sees(discriminator_input, channels):
    game = make_trainer(
        make_run(with_model(discriminator_input=discriminator_input)), GENOTYPE
    ).game
    assert game.discriminator.head_kernel.shape[2] == channels
    assert game.discriminator_sees_images == (discriminator_input == "images_and_masks")


@pytest.mark.parametrize("backbone", ["unet", "fcn32s"])
def test_each_backbone_segments_the_data_set(backbone):
    run = make_run(with_model(backbone=backbone, segmenter_width=3))
    segmenter = make_segmenter(run)
    assert segmenter(run.dataset.images[:2]).shape == (2, SIZE, SIZE, 4)
    assert segmenter.trainable_variables[0].shape[-1] == 3
    assert ("fcn" in segmenter.name) == (backbone == "fcn32s")


def test_operations_repeat_bit_for_bit(determinism):
    make_run(CONFIG)
    assert determinism == [True]


def test_the_seed_decides_everything():
    first, again = players_of_a_search(CONFIG), players_of_a_search(CONFIG)
    assert_equal(first, again)
    other = players_of_a_search(dataclasses.replace(CONFIG, seed=1))
    for one, another in zip(first, other, strict=True):
        # Scales and biases start as constants whatever the seed.
        assert np.ptp(one) == 0 or not np.array_equal(one, another)


def test_every_training_starts_from_the_same_segmenter():
    """So that a comparison of discriminators is one of nothing else."""
    run = make_run(CONFIG)
    alone = make_trainer(arm("none"), None).segmenter
    against = make_trainer(run, GENOTYPE).game.segmenter
    assert alone is not against
    assert_equal(arrays(against), arrays(alone))
    assert_equal(arrays(make_segmenter(run)), arrays(alone))


ARMS = {
    "none": None,
    "nas": GENOTYPE,
    "random": random_genotype(3),
    "resnet10": None,
    "resnet50": None,
}


def arm(name, seed=0) -> Run:
    """A run of its own for `train` against this discriminator, as another process has."""
    genotype = "genotype.json" if name == "nas" else None
    return make_run(of_train(genotype, seed, discriminator=name, random_draw=3))


def start_of(name, seed=0):
    """The segmenter's initial weights, the data, the split and the batches of three epochs."""
    run = arm(name, seed)
    segmenter = make_trainer(run, ARMS[name]).parts["segmenter"]
    batches = make_batches(run, run.split.train_and_val)
    of_steps = [array for step in range(6) for array in batches(step)]
    return arrays(segmenter), [run.dataset.images, *of_steps], run.split


@pytest.mark.parametrize("name", [name for name in ARMS if name != "none"])
def test_all_arms_of_a_seed_share_segmenter_split_and_batches(name):
    """So that what differs between them is the discriminator."""
    weights, cases, split = start_of(name)
    others_weights, others_cases, others_split = start_of("none")
    assert_equal(weights, others_weights)
    assert_equal(cases, others_cases)
    assert split == others_split


def test_another_seed_shares_none_of_them():
    weights, cases, split = start_of("none")
    others_weights, others_cases, others_split = start_of("none", seed=1)
    for one, other in ((weights, others_weights), (cases, others_cases)):
        assert any(not np.array_equal(*pair) for pair in zip(one, other, strict=True))
    assert split != others_split


@pytest.mark.parametrize(
    ("name", "num_layers"), [("resnet10", 10), ("resnet18", 18), ("resnet50", 50)]
)
def test_a_resnet_has_as_many_channels_as_a_searched_one_puts_out(name, num_layers):
    config = of_train(
        discriminator=name,
        discriminator_input="images_and_masks",
        discriminator_normalization="group",
    )
    trainer = make_trainer(make_run(config), None)
    assert type(trainer) is AdversarialTrainer
    discriminator = trainer.game.discriminator
    assert type(discriminator) is ResNetDiscriminator
    assert (discriminator.num_layers, discriminator.channels) == (num_layers, 4 * 2)
    assert discriminator.normalization == discriminator.stem.normalization.mode == "group"
    # Four masks and the image.
    assert discriminator.stem.kernel.shape[2] == 5
    assert trainer.game.discriminator_sees_images
    assert (trainer.game.adversarial_weight, trainer.game.global_batch_size) == (0.5, 2)


def test_with_16_channels_a_resnet_is_the_published_one():
    config = of_train(discriminator="resnet10", discriminator_channels=16)
    discriminator = make_trainer(make_run(config), None).game.discriminator
    assert discriminator.channels == ResNetDiscriminator(10).channels == 64


def test_the_seed_decides_a_resnet():
    first, again, other = (
        arrays(make_trainer(arm("resnet10", seed), None).game.discriminator) for seed in (0, 0, 1)
    )
    assert_equal(first, again)
    assert not np.array_equal(first[0], other[0])


def test_what_alpha_descends_is_heeded():
    training = dataclasses.replace(CONFIG.training, architecture_objective="segmentation")
    config = dataclasses.replace(CONFIG, training=training)
    assert make_search_trainer(make_run(config)).objective == "segmentation"
    assert make_search_trainer(make_run(CONFIG)).objective == "discriminator"


def test_a_batch_that_the_gpus_do_not_divide_is_refused(monkeypatch):
    monkeypatch.setattr(
        "darts_adv_tf.run.components.make_strategy",
        lambda kind, num_replicas: type("Strategy", (), {"num_replicas_in_sync": 3}),
    )
    with pytest.raises(ConfigurationError, match="--batch_size=2, 3 devices"):
        make_run(CONFIG)


def test_a_continued_run_keeps_its_split_whatever_the_seed_would_draw(tmp_path):
    config = dataclasses.replace(CONFIG, workdir=str(tmp_path))
    first = make_run(config)
    moved = Split(first.split.test, first.split.val, first.split.train)
    write_cases_csv(tmp_path / "cases.csv", first.dataset, moved)

    # To evaluate it, or to resume it.
    assert make_run(config, continues_run=True).split == moved
    assert make_run(config).split == moved != first.split


def test_variables_have_the_same_names_however_many_runs_a_process_has():
    """Checkpoints go by them."""

    def names(make):
        return [variable.path for variable in make().variables]

    for make in (
        lambda: make_search_trainer(make_run(CONFIG)).architecture,
        lambda: make_search_trainer(make_run(CONFIG)).game.discriminator,
        lambda: make_trainer(make_run(CONFIG), GENOTYPE).game.discriminator,
        lambda: make_trainer(arm("resnet10"), None).game.discriminator,
    ):
        assert names(make) == names(make)
