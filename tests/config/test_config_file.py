"""config.json: there and back, and what is refused."""

import dataclasses
import json
import platform
from importlib import metadata

import pytest

from darts_adv_tf import __version__
from darts_adv_tf.config import (
    AugmentationConfig,
    CollapseConfig,
    DataConfig,
    DistributionConfig,
    ModelConfig,
    ReliabilityConfig,
    RunConfig,
    TrainingConfig,
)
from darts_adv_tf.config.config_file import from_json, load_config, save_config, to_json
from darts_adv_tf.system.errors import ConfigurationError

# Every value differs from its default, so that a field lost on the way shows.
UNUSUAL = RunConfig(
    command="train",
    data=DataConfig(
        dataset="cx_seg",
        data_dir="somewhere",
        classes="heart,left_lung",
        image_size=96,
        keep_aspect=True,
        normalization="percentile",
        percentiles="1,98",
        split="folds",
        num_folds=3,
        fold=2,
        train_cases=50,
        phantom_cases=7,
        phantom_domain="mixed",
    ),
    augmentation=AugmentationConfig(
        augment_rotation=5.0,
        augment_scaling=0.1,
        augment_shift=0.2,
        augment_gamma=0.3,
        augment_noise=0.4,
        augment_flip=True,
    ),
    model=ModelConfig(
        backbone="fcn32s",
        segmenter_width=3,
        discriminator="nas",
        random_draw=5,
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
        architecture_objective="segmentation",
        compare_gradient_every=5,
        figure_every=1,
        test_every=4,
    ),
    distribution=DistributionConfig(strategy="mirrored", num_replicas=3),
    reliability=ReliabilityConfig(checkpoint_every="7", keep_checkpoints=2, on_nonfinite="skip"),
    collapse=CollapseConfig(
        collapse_edge_share=0.1,
        collapse_entropy_change=0.2,
        collapse_accuracy_margin=0.3,
        collapse_iou_fall=0.4,
        collapse_window=5,
    ),
    seed=17,
    workdir="here",
    genotype="there/genotype.json",
)


def test_json_there_and_back():
    assert from_json(to_json(UNUSUAL)) == UNUSUAL
    defaults = RunConfig()
    for kind in (
        "data",
        "augmentation",
        "model",
        "training",
        "distribution",
        "reliability",
        "collapse",
    ):
        for field in dataclasses.fields(getattr(UNUSUAL, kind)):
            unusual, usual = (getattr(getattr(c, kind), field.name) for c in (UNUSUAL, defaults))
            # Those left out contradict others here.
            contradicts = field.name in ("discriminator", "window", "cases")
            assert unusual != usual or contradicts, field.name
    window = DataConfig(normalization="window", window="-10,20.5", cases="mine.csv")
    config = RunConfig(data=window)
    assert from_json(to_json(config)) == config


def of_version_3(config):
    """What version 3 of the format wrote: without anything that came later."""
    content = json.loads(to_json(config)) | {"version": 3}
    for part, names in SINCE_VERSION_4.items():
        for name in names:
            del content[part][name]
    return content


def of_version_2(config):
    content = of_version_3(config) | {"version": 2}
    del content["augmentation"]
    for name in SINCE_VERSION_3:
        del content["data"][name]
    return content


SINCE_VERSION_3 = (
    "classes",
    "keep_aspect",
    "normalization",
    "window",
    "percentiles",
    "split",
    "num_folds",
    "fold",
    "cases",
    "phantom_domain",
)
SINCE_VERSION_4 = {
    "model": ("random_draw",),
    "training": ("architecture_objective", "test_every"),
}


def test_a_configuration_of_version_2_is_read_and_means_what_it_did():
    config = RunConfig(data=DataConfig(dataset="cx_seg", data_dir="x", image_size=96), seed=3)
    content = of_version_2(config)
    assert from_json(json.dumps(content)) == config
    # As checkpoints of that version hold it.
    then = config.fixed_settings()
    assert "augmentation" not in then and not set(SINCE_VERSION_3) & set(then["data"])
    for part, names in SINCE_VERSION_4.items():
        assert not set(names) & set(then[part])
    for name, value in (("image_size", 64), ("fold", 1)):
        changed = json.loads(json.dumps(content))
        changed["data"][name] = value
        if name == "fold":
            with pytest.raises(ConfigurationError, match="unknown: fold"):
                from_json(json.dumps(changed))
        else:
            assert from_json(json.dumps(changed)).data.image_size == 64


def test_a_configuration_of_version_3_is_read_and_means_what_it_did():
    """With all that version 3 had, and can be resumed."""
    config = dataclasses.replace(
        UNUSUAL,
        model=dataclasses.replace(UNUSUAL.model, random_draw=0),
        training=dataclasses.replace(
            UNUSUAL.training, architecture_objective="discriminator", test_every=0
        ),
    )
    content = of_version_3(config)
    read = from_json(json.dumps(content))
    assert read == config and read.data.fold == 2 and read.augmentation.augment_flip
    then = json.loads(json.dumps(config.fixed_settings()))
    assert read.fixed_settings() == then
    for part, names in SINCE_VERSION_4.items():
        assert not set(names) & set(then[part])
        for name in names:
            changed = json.loads(json.dumps(content))
            changed[part][name] = json.loads(to_json(UNUSUAL))[part][name]
            with pytest.raises(ConfigurationError, match=f"unknown: {name}"):
                from_json(json.dumps(changed))
            # Of version 4 it is another run.
            changed = json.loads(to_json(config))
            changed[part][name] = json.loads(to_json(UNUSUAL))[part][name]
            assert from_json(json.dumps(changed)).fixed_settings() != then


def test_json_records_the_versions():
    versions = json.loads(to_json(RunConfig()))["versions"]
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
        (_set("version", 1), "version"),
        (_set("version", 5), "version"),
        (_set("version", 4.0), "version"),
        (lambda content: content["model"].pop("random_draw"), "missing: random_draw"),
        (lambda content: content["training"].pop("test_every"), "missing: test_every"),
        (lambda content: content["data"].pop("fold"), "missing: fold"),
        (lambda content: content.pop("augmentation"), "missing: augmentation"),
        (lambda content: content.pop("reliability"), "missing: reliability"),
        (_set("reliability.checkpoint_every", "often"), "--checkpoint_every=often"),
        (_set("versions", None), "NoneType for versions"),
        (_set("versions.keras", 3), "versions of"),
    ],
)
def test_a_json_that_breaks_the_schema_is_refused(edit, message):
    content = json.loads(to_json(RunConfig()))
    edit(content)
    with pytest.raises(ConfigurationError, match=message) as caught:
        from_json(json.dumps(content), file="run/config.json")
    assert caught.value.file == "run/config.json"


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "[" * 100_000])
def test_text_that_is_no_configuration_is_refused(text):
    with pytest.raises(ConfigurationError, match="JSON object"):
        from_json(text, file="config.json")


def test_a_key_that_is_there_twice_is_refused():
    text = to_json(RunConfig()).replace('"seed": 0', '"seed": 0, "seed": 1')
    with pytest.raises(ConfigurationError, match="each key once"):
        from_json(text, file="config.json")


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
