"""Configurations: defaults, refusals with a remedy."""

import dataclasses
import json
import subprocess
import sys

import pytest

from darts_adv_tf.config import (
    DATASETS,
    AugmentationConfig,
    CollapseConfig,
    DataConfig,
    DistributionConfig,
    ModelConfig,
    ReliabilityConfig,
    RunConfig,
    TrainingConfig,
)
from darts_adv_tf.config.plain_values import plain_values
from darts_adv_tf.config.reproduce import ReproduceConfig
from darts_adv_tf.config.text_form import Interval
from darts_adv_tf.system.errors import ConfigurationError


def test_defaults_are_a_valid_search():
    config = RunConfig()
    assert config.command == "search"
    assert config.data.dataset == "phantom"
    assert config.model.backbone == "unet"
    assert config.training.effective_unroll_rate == config.training.learning_rate
    assert TrainingConfig(unroll_rate=0.5).effective_unroll_rate == 0.5


def test_configurations_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RunConfig().seed = 1


@pytest.mark.parametrize(
    "kind",
    [
        *(DataConfig, AugmentationConfig, ModelConfig, TrainingConfig, DistributionConfig),
        *(ReliabilityConfig, CollapseConfig, RunConfig),
    ],
)
def test_every_value_documents_itself(kind):
    for field in dataclasses.fields(kind):
        if not dataclasses.is_dataclass(field.type):
            assert len(field.metadata["setting"].help) > 20, field.name


@pytest.mark.parametrize(
    ("make", "received", "remedy"),
    [
        (lambda: DataConfig(dataset="cx_seg"), "--dataset=cx_seg without --data_dir", "--data_dir"),
        (lambda: DataConfig(data_dir="x"), "--dataset=phantom --data_dir=x", "--dataset=cx_seg"),
        (lambda: DataConfig(train_cases=33), "--train_cases=33", "--train_cases=32 or 34"),
        (
            lambda: DataConfig(train_cases=80, phantom_cases=80),
            "--train_cases=80 --phantom_cases=80",
            "--phantom_cases",
        ),
        (lambda: DataConfig(dataset="jpeg"), "--dataset=jpeg", None),
        (lambda: DataConfig(image_size=0), "--image_size=0", None),
        (lambda: DataConfig(train_cases=-2), "--train_cases=-2", None),
        (lambda: ModelConfig(backbone="vgg"), "--backbone=vgg", None),
        (
            lambda: ModelConfig(discriminator_channels=5),
            "--discriminator_channels=5",
            "--discriminator_channels=6",
        ),
        (lambda: ModelConfig(discriminator_cells="NXN"), "--discriminator_cells=NXN", "NRNRNRN"),
        (lambda: ModelConfig(discriminator_cells=""), "--discriminator_cells=", None),
        (lambda: DataConfig(dataset="cx_seg", data_dir=""), "--data_dir=", None),
        (lambda: TrainingConfig(batch_size=0), "--batch_size=0", None),
        (lambda: TrainingConfig(learning_rate=0.0), "--learning_rate=0.0", None),
        (lambda: TrainingConfig(learning_rate=float("nan")), "--learning_rate=nan", None),
        (lambda: TrainingConfig(learning_rate=float("inf")), "--learning_rate=inf", None),
        (
            lambda: TrainingConfig(adversarial_weight=0.0),
            "--adversarial_weight=0.0",
            "--discriminator=none",
        ),
        (
            lambda: TrainingConfig(unroll_rate=0.0),
            "--unroll_rate=0.0",
            "--architecture_gradient=first_order",
        ),
        (
            lambda: TrainingConfig(unroll_rate=0.1, architecture_gradient="first_order"),
            "--architecture_gradient=first_order --unroll_rate=0.1",
            "--unroll_rate",
        ),
        (
            lambda: TrainingConfig(compare_gradient_every=5, architecture_gradient="first_order"),
            "--architecture_gradient=first_order --compare_gradient_every=5",
            "--compare_gradient_every",
        ),
        (
            lambda: TrainingConfig(
                architecture_objective="segmentation", architecture_gradient="first_order"
            ),
            "--architecture_gradient=first_order --architecture_objective=segmentation",
            "--architecture_gradient=exact",
        ),
        (
            lambda: TrainingConfig(architecture_objective="dice"),
            "--architecture_objective=dice",
            None,
        ),
        (lambda: TrainingConfig(test_every=-1), "--test_every=-1", None),
        (
            lambda: DistributionConfig(strategy="one_device", num_replicas=2),
            "--strategy=one_device --num_replicas=2",
            "--strategy=mirrored",
        ),
        (lambda: DistributionConfig(num_replicas=0), "--num_replicas=0", None),
        (lambda: ReliabilityConfig(keep_checkpoints=1), "--keep_checkpoints=1", None),
        (lambda: ReliabilityConfig(on_nonfinite="ignore"), "--on_nonfinite=ignore", None),
        (lambda: CollapseConfig(collapse_window=0), "--collapse_window=0", None),
        (lambda: CollapseConfig(collapse_edge_share=0.0), "--collapse_edge_share=0.0", None),
        (lambda: RunConfig(seed=-1), "--seed=-1", None),
        (
            lambda: RunConfig(distribution=DistributionConfig(num_replicas=3)),
            "--batch_size=4 --num_replicas=3",
            "--batch_size",
        ),
        (
            lambda: RunConfig(data=DataConfig(train_cases=6)),
            "--batch_size=4 --train_cases=6",
            "--batch_size=3",
        ),
        (
            lambda: RunConfig(data=DataConfig(image_size=15)),
            "--image_size=15 --discriminator_cells=NRNRNRN",
            "--image_size=16",
        ),
        (
            lambda: RunConfig(model=ModelConfig(discriminator="none")),
            "--discriminator=none",
            "darts_adv_tf.train",
        ),
        *(
            (
                lambda name=name: RunConfig(model=ModelConfig(discriminator=name)),
                f"--discriminator={name}",
                f"darts_adv_tf.train --discriminator={name}",
            )
            for name in ("random", "resnet10", "resnet18", "resnet50")
        ),
        (lambda: RunConfig(genotype="g.json"), "--genotype=g.json", "darts_adv_tf.train"),
        (
            lambda: RunConfig(command="train"),
            "--discriminator=nas without --genotype",
            "--genotype=",
        ),
        *(
            (
                lambda name=name: RunConfig(
                    command="train", genotype="g.json", model=ModelConfig(discriminator=name)
                ),
                f"--discriminator={name} --genotype=g.json",
                "Leave out",
            )
            for name in ("none", "random", "resnet10", "resnet18", "resnet50")
        ),
        (
            lambda: RunConfig(
                command="train",
                model=ModelConfig(discriminator="random"),
                data=DataConfig(image_size=15),
            ),
            "--image_size=15 --discriminator_cells=NRNRNRN",
            "--image_size=16",
        ),
        (lambda: ModelConfig(discriminator="resnet34"), "--discriminator=resnet34", None),
        (lambda: ModelConfig(random_draw=-1), "--random_draw=-1", None),
        (lambda: ModelConfig(random_draw=2**32), "--random_draw=4294967296", None),
        (
            lambda: RunConfig(
                command="train", genotype="g", training=TrainingConfig(retrain_epochs=0)
            ),
            "--retrain_epochs=0",
            "--retrain_epochs=1",
        ),
    ],
)
def test_refusals_say_what_was_received_and_what_to_do(make, received, remedy):
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert caught.value.received == received
    assert caught.value.rule.endswith(".")
    if remedy is not None:
        assert remedy in caught.value.remedy


def test_the_edge_of_each_rule_is_allowed():
    RunConfig(data=DataConfig(image_size=16, train_cases=8, phantom_cases=9))
    RunConfig(training=TrainingConfig(retrain_epochs=0), distribution=DistributionConfig("auto", 2))
    DistributionConfig("one_device", 1)
    without = ModelConfig(discriminator="none")
    RunConfig(command="train", model=without, data=DataConfig(image_size=4, train_cases=4))
    # Its cells are those of no ResNet.
    RunConfig(
        command="train", model=ModelConfig(discriminator="resnet10"), data=DataConfig(image_size=4)
    )
    for name in ("random", "resnet18", "resnet50"):
        RunConfig(command="train", model=ModelConfig(discriminator=name, random_draw=2**32 - 1))
    TrainingConfig(architecture_objective="segmentation", architecture_gradient="finite_difference")


@pytest.mark.parametrize("value", ["4", 4.0, True, None])
def test_a_number_of_another_type_is_refused(value):
    with pytest.raises(ConfigurationError, match="batch_size must be of type int"):
        TrainingConfig(batch_size=value)


@pytest.mark.parametrize(
    ("size", "batch", "replicas", "normalization", "is_right"),
    [
        (16, 1, None, "batch", False),
        (31, 1, None, "batch", False),
        (32, 1, None, "batch", True),
        (16, 2, None, "batch", True),
        (16, 2, 2, "batch", False),
        (16, 2, 2, "sync_batch", True),
        (16, 1, None, "group", True),
    ],
)
def test_normalization_needs_more_than_one_value(size, batch, replicas, normalization, is_right):
    def make():
        return RunConfig(
            data=DataConfig(image_size=size),
            model=ModelConfig(discriminator_normalization=normalization),
            training=TrainingConfig(batch_size=batch),
            distribution=DistributionConfig(num_replicas=replicas),
        )

    if is_right:
        make()
    else:
        with pytest.raises(ConfigurationError, match="more than one value"):
            make()


@pytest.mark.parametrize("discriminator", ["resnet10", "resnet18", "resnet50"])
@pytest.mark.parametrize(
    ("size", "batch", "replicas", "normalization", "is_right"),
    [
        (32, 1, None, "batch", False),
        (33, 1, None, "batch", True),
        (32, 2, None, "batch", True),
        (32, 2, 2, "batch", False),
        (32, 2, 2, "sync_batch", True),
        (32, 1, None, "group", True),
    ],
)
def test_normalization_of_a_resnet_too(
    discriminator, size, batch, replicas, normalization, is_right
):
    def make():
        return RunConfig(
            command="train",
            data=DataConfig(image_size=size),
            model=ModelConfig(
                discriminator=discriminator, discriminator_normalization=normalization
            ),
            training=TrainingConfig(batch_size=batch),
            distribution=DistributionConfig(num_replicas=replicas),
        )

    if is_right:
        make()
    else:
        with pytest.raises(ConfigurationError, match="more than one value") as caught:
            make()
        received = f"--image_size={size} --discriminator={discriminator} --batch_size={batch}"
        assert caught.value.received.endswith(received)
        assert "--image_size=33" in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("5m", (None, 300.0)),
        ("0.5m", (None, 30.0)),
        ("1", (1, None)),
        ("200", (200, None)),
    ],
)
def test_checkpoints_come_every_so_many_steps_or_minutes(text, interval):
    config = ReliabilityConfig(checkpoint_every=text)
    assert config.checkpoint_every == interval
    assert ReliabilityConfig(checkpoint_every=Interval(*interval)) == config
    assert plain_values(config)["checkpoint_every"] == text


@pytest.mark.parametrize(
    "text", ["", "0", "0m", "0.0m", "m", "-5", "-5m", "5s", "1.5", "5 m", "1e3", "nanm", "5m\n"]
)
def test_an_interval_that_is_neither_is_refused(text):
    with pytest.raises(ConfigurationError) as caught:
        ReliabilityConfig(checkpoint_every=text)
    assert caught.value.received == f"--checkpoint_every={text}"


def test_a_resumed_run_has_everything_in_common_but_what_no_result_follows_from():
    config = RunConfig(data=DataConfig(dataset="cx_seg", data_dir="x"), workdir="here")
    fixed = config.fixed_settings()
    everything = plain_values(config)
    assert everything.pop("workdir") == "here"
    assert everything["data"].pop("data_dir") == "x"
    assert everything["data"].pop("cases") is None  # The run has a copy.
    assert set(everything["reliability"]) == {
        "checkpoint_every",
        "keep_checkpoints",
        "on_nonfinite",
    }
    everything["reliability"].clear()
    assert fixed == everything
    assert json.loads(json.dumps(fixed)) == fixed


def test_every_setting_that_a_result_follows_from_counts():
    fixed = RunConfig().fixed_settings()
    changed = RunConfig(
        data=DataConfig(split="folds", percentiles=(1, 99)),
        augmentation=AugmentationConfig(augment_noise=0.25),
        model=ModelConfig(random_draw=3),
        training=TrainingConfig(test_every=2),
    ).fixed_settings()
    assert changed["data"] == fixed["data"] | {"split": "folds", "percentiles": "1,99"}
    assert changed["augmentation"] == fixed["augmentation"] | {"augment_noise": 0.25}
    assert changed["model"] == fixed["model"] | {"random_draw": 3}
    assert changed["training"] == fixed["training"] | {"test_every": 2}


def test_texts_are_read_as_lists_and_numbers():
    data = DataConfig(
        classes="left_lung,heart", normalization="window", window="-1000,400.5", percentiles="1,99"
    )
    assert data.classes == ("left_lung", "heart")
    assert data.window == (-1000.0, 400.5)
    assert data.percentiles == (1.0, 99.0)
    typed = DataConfig(
        classes=("left_lung", "heart"),
        normalization="window",
        window=(-1000, 400.5),
        percentiles=(1, 99),
    )
    assert typed == data and plain_values(typed) == plain_values(data)
    assert DataConfig().classes is None and DataConfig().window is None
    assert ReproduceConfig(seeds="3,1").seeds == (3, 1)


@pytest.mark.parametrize(
    ("make", "received"),
    [
        (lambda: DataConfig(classes="heart,,lung"), "--classes=heart,,lung"),
        (lambda: DataConfig(classes=("heart", "heart")), "classes=('heart', 'heart')"),
        (lambda: DataConfig(classes=()), "classes=()"),
        (lambda: DataConfig(classes=3), "classes=3"),
        (lambda: DataConfig(percentiles="1"), "--percentiles=1"),
        (lambda: DataConfig(percentiles="2,1"), "--percentiles=2,1"),
        (lambda: DataConfig(percentiles="1,inf"), "--percentiles=1,inf"),
        (lambda: DataConfig(percentiles=(2, 1)), "percentiles=(2, 1)"),
        (lambda: DataConfig(percentiles=5), "percentiles=5"),
        (lambda: ReliabilityConfig(checkpoint_every=(0, None)), "checkpoint_every=(0, None)"),
        (lambda: ReliabilityConfig(checkpoint_every=(1, 2, 3)), "checkpoint_every=(1, 2, 3)"),
        (lambda: ReproduceConfig(seeds=(0, 0.5)), "seeds=(0, 0.5)"),
        (lambda: ReproduceConfig(seeds=()), "seeds=()"),
    ],
)
def test_what_no_text_stands_for_is_refused(make, received):
    with pytest.raises(ConfigurationError, match=r"^--\w+ must be ") as caught:
        make()
    assert caught.value.received == received


def test_every_data_set_but_the_phantom_has_a_folder():
    for name in DATASETS[1:]:
        with pytest.raises(ConfigurationError, match="--data_dir"):
            DataConfig(dataset=name)
        DataConfig(dataset=name, data_dir="x")


def test_importing_the_configuration_imports_no_tensorflow():
    code = "import sys, darts_adv_tf.config.config_file; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
