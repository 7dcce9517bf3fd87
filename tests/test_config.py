"""Configurations: defaults, refusals with a remedy, config.json there and back."""

import dataclasses
import json
import platform
import subprocess
import sys
from importlib import metadata

import pytest

from darts_adv_tf import __version__
from darts_adv_tf.config import (
    DataConfig,
    DistributionConfig,
    ModelConfig,
    RunConfig,
    TrainingConfig,
    load_config,
    save_config,
)
from darts_adv_tf.errors import ConfigurationError

# Every value differs from its default, so that a field lost on the way shows.
UNUSUAL = RunConfig(
    command="train",
    data=DataConfig(
        dataset="cx_seg", data_dir="somewhere", image_size=96, train_cases=50, phantom_cases=7
    ),
    model=ModelConfig(
        backbone="fcn32s",
        segmenter_width=3,
        discriminator="nas",
        discriminator_channels=6,
        discriminator_cells="NRN",
        discriminator_input="images_and_masks",
        discriminator_normalization="group",
    ),
    training=TrainingConfig(
        batch_size=6,
        search_epochs=2,
        retrain_epochs=3,
        learning_rate=0.1,
        architecture_learning_rate=0.2,
        adversarial_weight=0.3,
        unroll_rate=0.4,
        architecture_gradient="finite_difference",
        compare_gradient_every=5,
        figure_every=1,
    ),
    distribution=DistributionConfig(strategy="mirrored", num_replicas=3),
    seed=17,
    workdir="here",
    genotype="there/genotype.json",
)


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
    "kind", [DataConfig, ModelConfig, TrainingConfig, DistributionConfig, RunConfig]
)
def test_every_value_documents_itself(kind):
    for field in dataclasses.fields(kind):
        if not dataclasses.is_dataclass(field.type):
            assert len(field.metadata["help"]) > 20, field.name


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
            lambda: DistributionConfig(strategy="one_device", num_replicas=2),
            "--strategy=one_device --num_replicas=2",
            "--strategy=mirrored",
        ),
        (lambda: DistributionConfig(num_replicas=0), "--num_replicas=0", None),
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
        (lambda: RunConfig(genotype="g.json"), "--genotype=g.json", "darts_adv_tf.train"),
        (
            lambda: RunConfig(command="train"),
            "--discriminator=nas without --genotype",
            "--genotype=",
        ),
        (
            lambda: RunConfig(
                command="train", genotype="g.json", model=ModelConfig(discriminator="none")
            ),
            "--discriminator=none --genotype=g.json",
            "Leave out",
        ),
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


@pytest.mark.parametrize("value", ["4", 4.0, True, None])
def test_a_number_of_another_type_is_refused(value):
    with pytest.raises(ConfigurationError, match="batch_size is of type int"):
        TrainingConfig(batch_size=value)


def test_json_there_and_back():
    assert RunConfig.from_json(UNUSUAL.to_json()) == UNUSUAL
    defaults = RunConfig()
    for kind in ("data", "model", "training", "distribution"):
        for field in dataclasses.fields(getattr(UNUSUAL, kind)):
            unusual, usual = (getattr(getattr(c, kind), field.name) for c in (UNUSUAL, defaults))
            assert unusual != usual or field.name == "discriminator", field.name


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


def test_json_records_the_versions():
    versions = json.loads(RunConfig().to_json())["versions"]
    for package in ("tensorflow", "keras", "numpy", "opencv-python-headless"):
        assert versions.pop(package) == metadata.version(package)
    assert versions == {"darts_adv_tf": __version__, "python": platform.python_version()}


def _set(path: str, value: object):
    """An edit of the parsed JSON: puts `value` at a dotted path."""

    def edit(content: dict):
        *parents, last = path.split(".")
        for parent in parents:
            content = content[parent]
        content[last] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda content: content.pop("seed"), "missing: seed"),
        (lambda content: content["data"].pop("dataset"), "missing: dataset"),
        (_set("training.momentum", 0.9), "unknown: momentum"),
        (_set("colour", "red"), "unknown: colour"),
        (_set("training.batch_size", "4"), "batch_size is of type int"),
        (_set("training.batch_size", True), "batch_size is of type int"),
        (_set("training.learning_rate", -1.0), "--learning_rate=-1.0"),
        (_set("data", []), "list for 'data'"),
        (_set("format", "something"), "format"),
        (_set("version", 2), "version"),
        (_set("versions", None), "NoneType for versions"),
        (_set("versions.keras", 3), "versions of"),
    ],
)
def test_a_json_that_breaks_the_schema_is_refused(edit, message):
    content = json.loads(RunConfig().to_json())
    edit(content)
    with pytest.raises(ConfigurationError, match=message) as caught:
        RunConfig.from_json(json.dumps(content), file="run/config.json")
    assert caught.value.file == "run/config.json"


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_text_that_is_no_configuration_is_refused(text):
    with pytest.raises(ConfigurationError, match="JSON object"):
        RunConfig.from_json(text, file="config.json")


def test_a_run_is_saved_and_found_again(tmp_path):
    path = save_config(UNUSUAL, tmp_path / "new" / "run")
    assert path == tmp_path / "new" / "run" / "config.json"
    assert [file.name for file in path.parent.iterdir()] == ["config.json"]
    assert load_config(path.parent) == UNUSUAL


@pytest.mark.parametrize("prepare", [lambda path: None, lambda path: path.write_text("a file")])
def test_a_folder_without_a_run_is_refused(tmp_path, prepare):
    prepare(tmp_path / "run")
    with pytest.raises(ConfigurationError, match=r"config\.json") as caught:
        load_config(tmp_path / "run")
    assert caught.value.exit_status == 2


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "config.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        load_config(tmp_path)


def test_importing_the_configuration_imports_no_tensorflow():
    code = "import sys, darts_adv_tf.config; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
