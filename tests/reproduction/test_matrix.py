"""Which runs an experiment has, in which order, and how what is finished is known."""

import dataclasses
import shutil

import pytest

from darts_adv_tf.config import ModelConfig, RunConfig, TrainingConfig
from darts_adv_tf.config.config_file import save_config
from darts_adv_tf.config.reproduce import ReproduceConfig
from darts_adv_tf.config.setting import settings_of
from darts_adv_tf.reproduction.arms import ARMS, EXPERIMENTS, in_order
from darts_adv_tf.reproduction.matrix import (
    base_from_settings,
    common_settings,
    plan,
)
from darts_adv_tf.system.errors import ConfigurationError


def planned(**settings):
    return plan(ReproduceConfig(workdir="m", **settings))


def names(**settings):
    return [run.name for run in planned(**settings)]


def only(arm, **training):
    base = RunConfig(training=TrainingConfig(**training))
    (run,) = planned(arms=arm, backbones="unet", seeds="0", random_draws=1, base=base)
    return run


def test_a_table_goes_seed_by_seed_with_its_draws_spread_over_them():
    assert names(backbones="unet", seeds="5,3", random_draws=3) == [
        "unet/seed_5/none",
        "unet/seed_5/random_0",
        "unet/seed_5/random_2",
        "unet/seed_5/resnet10",
        "unet/seed_5/nas",
        "unet/seed_3/none",
        "unet/seed_3/random_1",
        "unet/seed_3/resnet10",
        "unet/seed_3/nas",
    ]


def test_by_default_it_is_the_papers_table():
    runs = planned()
    # 2 backbones x (3 seeds x 3 arms + 10 draws)
    assert len(runs) == 38
    draws = {
        seed: [
            run.draw
            for run in runs
            if run.draw is not None and run.seed == seed and run.backbone == "fcn32s"
        ]
        for seed in (0, 1, 2)
    }
    assert draws == {0: [0, 3, 6, 9], 1: [1, 4, 7], 2: [2, 5, 8]}
    assert [run.seed for run in runs] == sorted(run.seed for run in runs)


def test_each_experiment_has_its_arms():
    assert names(experiment="curves", backbones="fcn32s", seeds="1") == [
        f"fcn32s/seed_1/{arm}" for arm in ("none", "resnet10", "resnet18", "resnet50")
    ]
    for experiment, arms in EXPERIMENTS.items():
        assert {run.arm for run in planned(experiment=experiment)} == set(arms)
    choices = settings_of(ReproduceConfig)
    assert set(choices["experiment"].choices) == set(EXPERIMENTS)
    assert all(arm in choices["arms"].help for arm in ARMS)


def test_an_own_backbone_has_a_folder_that_every_disk_takes():
    (run,) = planned(backbones="my.models:small", arms="none", seeds="0")
    assert (run.name, run.config.workdir) == (
        "my.models-small/seed_0/none",
        "m/my.models-small/seed_0/none",
    )
    assert run.config.model.backbone == run.backbone == "my.models:small"


def test_an_unknown_arm_is_refused_by_name():
    with pytest.raises(ConfigurationError) as caught:
        planned(arms="none,resnet34")
    assert "resnet34" in caught.value.remedy and "resnet18" in caught.value.rule


def test_arms_differ_in_what_makes_them_and_in_nothing_else():
    base = RunConfig(training=TrainingConfig(retrain_epochs=3))
    runs = planned(
        arms="none,random,resnet10,nas", backbones="fcn32s", seeds="4", random_draws=1, base=base
    )
    for run, discriminator in zip(runs, ("none", "random", "resnet10", "nas"), strict=True):
        command = "search" if run.arm == "nas" else "train"
        assert run.config == RunConfig(
            command=command,
            model=ModelConfig(backbone="fcn32s", discriminator=discriminator),
            training=TrainingConfig(retrain_epochs=3),
            seed=4,
            workdir=f"m/{run.name}",
        )
    draws = planned(arms="random", backbones="unet", seeds="4", random_draws=3)
    assert [run.config.model.random_draw for run in draws] == [0, 1, 2]


def test_what_belongs_to_the_search_does_not_reach_the_training():
    searched = {"search_epochs": 2, "unroll_rate": 0.5, "compare_gradient_every": 3}
    assert only("resnet10", **searched).config.training == TrainingConfig()
    assert only("nas", **searched).config.training == TrainingConfig(**searched)


def test_the_arms_of_the_search_override_how_it_is_done():
    searched = {"search_epochs": 2, "unroll_rate": 0.5, "compare_gradient_every": 3}
    # It takes no virtual step, and refuses what belongs to one.
    assert only("nas_first_order", **searched).config.training == TrainingConfig(
        search_epochs=2, architecture_gradient="first_order"
    )
    assert only("nas_finite_difference", **searched).config.training == TrainingConfig(
        architecture_gradient="finite_difference", **searched
    )
    assert only("nas_segmentation", **searched).config.training == TrainingConfig(
        architecture_objective="segmentation", **searched
    )


def test_an_arm_is_what_its_name_says_whatever_the_base():
    other = {"architecture_gradient": "finite_difference", "architecture_objective": "segmentation"}
    assert only("nas", **other).config.training == TrainingConfig()
    assert only("nas_segmentation", **other).config.training == TrainingConfig(
        architecture_objective="segmentation"
    )


def test_common_settings_there_and_back():
    base = RunConfig(training=TrainingConfig(batch_size=2, unroll_rate=0.25))
    settings = common_settings(base)
    assert settings["batch_size"] == 2 and settings["dataset"] == "phantom"
    assert not {"backbone", "discriminator", "seed", "workdir", "command"} & set(settings)
    assert base_from_settings(settings) == base


@pytest.fixture
def finished(tmp_path):
    """A run of the arm none, made by hand where the matrix has it."""
    config = ReproduceConfig(workdir=str(tmp_path), arms="none", backbones="unet", seeds="0")
    (run,) = plan(config)
    save_config(run.config, run.workdir)
    (run.workdir / "metrics.json").write_text("{}")
    (run.workdir / "segmenter" / "1").mkdir(parents=True)
    return run


def test_a_run_is_finished_that_has_its_results_and_the_settings_planned(finished):
    assert finished.is_finished() and finished.contradiction() is None


@pytest.mark.parametrize("missing", ["config.json", "metrics.json", "segmenter"])
def test_a_run_without_all_its_results_is_not_finished(finished, missing):
    path = finished.workdir / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert not finished.is_finished() and finished.contradiction() is None


def test_a_run_of_other_settings_is_another(finished):
    other = dataclasses.replace(finished.config, training=TrainingConfig(batch_size=2))
    save_config(other, finished.workdir)
    assert not finished.is_finished()
    assert finished.contradiction() == "--batch_size=2, planned 4"


def test_where_its_files_lay_makes_no_other_run(finished):
    save_config(dataclasses.replace(finished.config, workdir="elsewhere"), finished.workdir)
    assert finished.is_finished()


def test_a_broken_configuration_is_told(finished):
    (finished.workdir / "config.json").write_text("{")
    assert not finished.is_finished() and "JSON" in finished.contradiction()


def test_a_run_of_another_command_is_another(finished):
    save_config(
        dataclasses.replace(finished.config, command="search", model=ModelConfig()),
        finished.workdir,
    )
    assert not finished.is_finished()
    assert finished.contradiction() == "a run of search, planned train"


def test_each_arm_is_called_by_what_makes_it():
    assert {name: arm.label for name, arm in ARMS.items()} == {
        "none": "no discriminator",
        "random": "random",
        "resnet10": "ResNet10",
        "resnet18": "ResNet18",
        "resnet50": "ResNet50",
        "nas": "NAS",
        "nas_first_order": "NAS, first order",
        "nas_finite_difference": "NAS, finite difference",
        "nas_segmentation": "NAS for the segmentation loss",
    }


def test_a_users_discriminator_is_an_arm():
    (run,) = planned(arms="my.gans:patch", backbones="unet", seeds="0")
    assert run.name == "unet/seed_0/my.gans-patch"
    assert (run.config.command, run.config.model.discriminator) == ("train", "my.gans:patch")
    assert in_order(["b:f", "nas", "a:f", "none", "b:f"]) == ["none", "nas", "b:f", "a:f"]
