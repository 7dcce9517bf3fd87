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
    config_file,
)
from darts_adv_tf.config.config_file import from_json, load_config, save_config, to_json
from darts_adv_tf.config.setting import setting
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
        operations=("skip_connect", "sep_conv_3x3"),
        intermediate_nodes=3,
        kept_edges=1,
        discriminator_input="images_and_masks",
        discriminator_normalization="group",
    ),
    training=TrainingConfig(
        batch_size=6,
        search_epochs=2,
        retrain_epochs=3,
        learning_rate=0.1,
        adam_epsilon=1e-8,
        adam_epsilon_place="after_correction",
        architecture_learning_rate=0.2,
        adversarial_weight=0.3,
        segmentation_loss="dice",
        adversarial_loss="hinge",
        unroll_rate=0.4,
        architecture_gradient="finite_difference",
        architecture_objective="segmentation",
        compare_gradient_every=5,
        plot_every=1,
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


LATER = {
    "data": (
        *("classes", "keep_aspect", "normalization", "window", "percentiles", "split"),
        *("num_folds", "fold", "cases", "phantom_domain"),
    ),
    "model": ("random_draw",),
    "training": ("architecture_objective", "test_every"),
}
"""Settings that config.json of version 2 did not have, nor `augmentation`."""


def of_version_2(config):
    content = json.loads(to_json(config)) | {"version": 2}
    del content["augmentation"]
    content["training"]["figure_every"] = content["training"].pop("plot_every")
    for part, names in LATER.items():
        for name in names:
            del content[part][name]
    return content


def test_a_configuration_of_version_2_is_read_and_means_what_it_did():
    config = RunConfig(
        data=DataConfig(dataset="cx_seg", data_dir="x", image_size=96),
        training=TrainingConfig(plot_every=2),
        seed=3,
    )
    assert from_json(json.dumps(of_version_2(config))) == config


def test_a_checkpoint_of_version_2_belongs_to_the_run_that_is_read():
    """Its fixed settings lack those that came later, unless they differed from the default."""
    config = RunConfig(
        data=DataConfig(dataset="cx_seg", data_dir="x", percentiles=(1, 98.5)),
        augmentation=AugmentationConfig(augment_flip=True),
        training=TrainingConfig(plot_every=2),
    )
    then = json.loads(json.dumps(config.fixed_settings()))
    then["training"]["figure_every"] = then["training"].pop("plot_every")
    then["data"]["percentiles"] = "1.0,98.50"
    then["augmentation"] = {"augment_flip": True}
    for part, names in LATER.items():
        for name in names:
            if name not in ("percentiles", "cases"):
                del then[part][name]
    assert RunConfig.upgrade_fixed_settings(then) == config.fixed_settings()
    for part, name, value in (
        ("training", "figure_every", 3),
        ("training", "momentum", 0.9),
        ("data", "fold", 1),
        ("data", "percentiles", "1,98"),
        ("data", "percentiles", "many"),
        ("augmentation", "augment_flip", False),
    ):
        changed = json.loads(json.dumps(then))
        changed[part][name] = value
        assert RunConfig.upgrade_fixed_settings(changed) != config.fixed_settings(), name
    for other in (None, [], {}, then | {"data": None}):
        assert RunConfig.upgrade_fixed_settings(other) != config.fixed_settings()


def test_a_new_setting_has_its_default_in_a_config_json_of_today(monkeypatch):
    text = to_json(UNUSUAL)

    @dataclasses.dataclass(frozen=True)
    class WithMomentum(TrainingConfig):
        momentum: float = setting(0.5, "Momentum of the optimizer, as a fraction.")

    @dataclasses.dataclass(frozen=True)
    class WithMomentumRun(RunConfig):
        training: WithMomentum = dataclasses.field(default_factory=WithMomentum)

    monkeypatch.setattr(config_file, "RunConfig", WithMomentumRun)
    read = from_json(text)
    assert read.training.momentum == 0.5
    assert json.loads(to_json(read)) == json.loads(text) | {
        "training": json.loads(text)["training"] | {"momentum": 0.5}
    }
    now = WithMomentumRun.upgrade_fixed_settings(UNUSUAL.fixed_settings())
    assert now == read.fixed_settings()
    changed = dataclasses.replace(read.training, momentum=0.75)
    assert now != dataclasses.replace(read, training=changed).fixed_settings()


def test_a_config_json_that_lacks_settings_or_whole_parts_has_their_defaults():
    content = json.loads(to_json(UNUSUAL))
    for part in ("augmentation", "reliability", "collapse", "seed"):
        del content[part]
    del content["training"]["test_every"], content["data"]["percentiles"]
    assert from_json(json.dumps(content)) == dataclasses.replace(
        UNUSUAL,
        data=dataclasses.replace(UNUSUAL.data, percentiles=(0.5, 99.5)),
        augmentation=AugmentationConfig(),
        training=dataclasses.replace(UNUSUAL.training, test_every=0),
        reliability=ReliabilityConfig(),
        collapse=CollapseConfig(),
        seed=0,
    )


def test_a_setting_under_its_earlier_name_is_read_and_written_under_its_present_one():
    content = json.loads(to_json(UNUSUAL))
    content["training"]["figure_every"] = content["training"].pop("plot_every")
    read = from_json(json.dumps(content))
    assert read == UNUSUAL
    assert "figure_every" not in to_json(read)
    content["training"]["plot_every"] = 1
    with pytest.raises(ConfigurationError, match="unknown: figure_every"):
        from_json(json.dumps(content))


def test_lists_and_intervals_are_written_as_the_text_of_their_flags():
    content = json.loads(to_json(UNUSUAL))
    assert content["data"]["classes"] == "heart,left_lung"
    assert content["data"]["percentiles"] == "1,98"
    assert content["data"]["window"] is None
    assert content["reliability"]["checkpoint_every"] == "7"
    assert json.loads(to_json(RunConfig()))["reliability"]["checkpoint_every"] == "5m"


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
        (_set("training.momentum", 0.9), "unknown: momentum"),
        (_set("colour", "red"), "unknown: colour"),
        (_set("training.batch_size", "4"), "batch_size must be of type int"),
        (_set("training.batch_size", True), "batch_size must be of type int"),
        (_set("training.learning_rate", -1.0), "--learning_rate=-1.0"),
        (_set("data", []), "list for 'data'"),
        (_set("format", "something"), "format"),
        (_set("version", 1), "version"),
        (_set("version", 5), "version"),
        (_set("version", 4.0), "version"),
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
