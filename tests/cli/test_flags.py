"""Flags: defaults from the configuration, flagfiles, refusals, work directories."""

import dataclasses
import re
from pathlib import Path

import pytest

from darts_adv_tf.cli import (
    DESCRIPTIONS,
    config_from_flags,
    help_text,
    is_full_help_requested,
    is_help_requested,
)
from darts_adv_tf.cli.parsing import similar_flags
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
from darts_adv_tf.config.as_flags import as_flags
from darts_adv_tf.config.config_file import save_config
from darts_adv_tf.config.reproduce import ReproduceConfig
from darts_adv_tf.config.setting import settings_of
from darts_adv_tf.config.text_form import Interval
from darts_adv_tf.reproduction.arms import ARMS
from darts_adv_tf.reproduction.matrix import plan
from darts_adv_tf.reproduction.reproducing import command_of
from darts_adv_tf.system.errors import ConfigurationError

FLAGFILES = sorted((Path(__file__).parents[2] / "flags").glob("*.flags"))
COMMAND_OF_A_FLAGFILE = re.compile(r"# Command:  python -m darts_adv_tf\.(\w+) --flagfile=(\S+)")
PARTS = (
    *(DataConfig, AugmentationConfig, ModelConfig, TrainingConfig, DistributionConfig),
    *(ReliabilityConfig, CollapseConfig),
)
SEARCH_ONLY = {
    "search_epochs",
    "architecture_learning_rate",
    "unroll_rate",
    "architecture_gradient",
    "architecture_objective",
    "compare_gradient_every",
}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def flags_in_help(command: str) -> set[str]:
    text = help_text(command, is_full=True)
    return set(re.findall(r"^  --(\w+)", text, re.MULTILINE)) - {"helpfull"}


def test_without_flags_the_configuration_has_its_defaults():
    config = config_from_flags("search", [])
    assert dataclasses.replace(config, workdir=None) == RunConfig()
    assert re.fullmatch(r"runs/search-\d{8}-\d{6}", config.workdir)


def test_flags_reach_every_part_of_the_configuration():
    config = config_from_flags(
        "search",
        [
            "--image_size=96",
            "--backbone=fcn32s",
            "--learning_rate=0.5",
            "--num_replicas=2",
            "--on_nonfinite=skip",
            "--collapse_window=7",
            "--seed",
            "7",
            "--workdir=here",
        ],
    )
    assert config == RunConfig(
        data=DataConfig(image_size=96),
        model=ModelConfig(backbone="fcn32s"),
        training=TrainingConfig(learning_rate=0.5),
        distribution=DistributionConfig(num_replicas=2),
        reliability=ReliabilityConfig(on_nonfinite="skip"),
        collapse=CollapseConfig(collapse_window=7),
        seed=7,
        workdir="here",
    )


def test_train_takes_a_genotype_or_no_discriminator():
    config = config_from_flags("train", ["--genotype=g.json"])
    assert (config.command, config.model.discriminator) == ("train", "nas")
    assert config.genotype == "g.json"
    assert config.workdir.startswith("runs/train-")
    assert config_from_flags("train", ["--discriminator=none"]).model.discriminator == "none"


def test_a_command_has_the_flags_it_heeds_and_no_others():
    every = {name for part in PARTS for name in settings_of(part)} | {"seed", "workdir", "genotype"}
    general = {"flagfile", "undefok", "help"}
    of_a_run = {"estimate", "resume"} | general
    of_train = {"discriminator", "random_draw", "genotype"}
    assert flags_in_help("search") == (every - of_train) | of_a_run
    assert flags_in_help("train") == (every - SEARCH_ONLY) | of_a_run
    assert flags_in_help("evaluate") == {"workdir", "data_dir"} | general
    assert flags_in_help("export") == {"workdir", "data_dir"} | general


def test_help_shows_defaults_choices_and_needs_within_a_terminal():
    for command in DESCRIPTIONS:
        assert max(map(len, help_text(command, is_full=True).splitlines())) <= 100
    text = help_text("search", is_full=True)
    assert "--backbone=<text>  (default: unet)" in text
    assert "--learning_rate=<number>  (default: 0.001)" in text
    assert "--percentiles=<text>  (default: 0.5,99.5)" in text
    assert "--checkpoint_every=<text>  (default: 5m)" in text
    assert "--workdir=<text>  (required)" in help_text("export")


def test_help_shows_the_essential_flags_and_helpfull_all():
    for command in DESCRIPTIONS:
        essential = set(re.findall(r"^  --(\w+)", help_text(command), re.MULTILINE))
        every = flags_in_help(command) | {"helpfull"}
        assert essential <= every and len(essential) <= 25, command
        if essential < every - {"undefok", "helpfull"}:
            hidden = len(every - essential - {"undefok"})
            assert f"\n{hidden} more flags: python -m darts_adv_tf.{command} --helpfull" in (
                help_text(command)
            )
    essential = help_text("search")
    assert "--dataset=" in essential and "--collapse_window=" not in essential
    assert "--collapse_window=" in help_text("search", is_full=True)
    assert "--undefok=" in help_text("search", is_full=True)


@pytest.mark.parametrize("argument", ["--help", "-h", "-help", "--help=true", "--helpfull"])
def test_help_may_stand_anywhere(argument):
    assert is_help_requested(["--seed=1", argument])
    assert is_full_help_requested(["--seed=1", argument]) == (argument == "--helpfull")
    assert not is_help_requested(["--seed=1", argument.strip("-")])


def test_an_earlier_name_of_a_flag_is_accepted_everywhere(tmp_path):
    (tmp_path / "old.flags").write_text("--figure_every=3\n")
    expected = TrainingConfig(plot_every=3)
    for argv in (["--figure_every=3"], ["--figure_every", "3"], ["--flagfile=old.flags"]):
        assert config_from_flags("search", argv).training == expected
    assert config_from_flags("search", ["--figure_every=2", "--plot_every=3"]).training == expected
    assert "figure_every" not in help_text("search", is_full=True)
    save_config(RunConfig(training=expected), tmp_path / "here")
    assert resume("here", "--figure_every=3").training == expected
    with pytest.raises(ConfigurationError) as caught:
        resume("here", "--figure_every=4")
    assert caught.value.received == "--plot_every=4, started with 3"


def test_a_list_that_is_repeated_in_another_form_is_the_same(tmp_path):
    data = DataConfig(normalization="percentile", percentiles=(1, 99))
    save_config(RunConfig(data=data), tmp_path / "here")
    assert resume("here", "--percentiles=1.0,99.00").data == data
    with pytest.raises(ConfigurationError) as caught:
        resume("here", "--percentiles=1,98")
    assert caught.value.received == "--percentiles=1,98, started with 1,99"
    with pytest.raises(ConfigurationError, match="must be two numbers"):
        resume("here", "--percentiles=1")


@pytest.mark.parametrize(
    ("command", "name", "similar"),
    [
        ("search", "epochs", ["search_epochs", "retrain_epochs"]),
        ("search", "lr", ["learning_rate"]),
        ("search", "batch-size", ["batch_size"]),
        ("search", "num_gpus", ["num_replicas"]),
        ("search", "output_dir", ["workdir"]),
        ("predict", "output", ["output_dir"]),
        ("search", "objective", ["architecture_objective"]),
        ("search", "figureevery", []),
        ("search", "operatoins", []),
    ],
)
def test_an_unknown_flag_suggests_what_it_was_meant_for(command, name, similar):
    assert [each for each in similar_flags(command, name) if each != "operations"] == similar


@pytest.mark.parametrize(
    ("command", "argv", "received", "remedy"),
    [
        ("search", ["--batchsize=3"], "unknown flag --batchsize", "Did you mean --batch_size?"),
        ("search", ["--genotype=g"], "unknown flag --genotype", "It is a flag of train."),
        ("search", ["--model=m"], "unknown flag --model", "Did you mean --backbone?"),
        ("train", ["--search_epochs=1"], "unknown flag --search_epochs", "It is a flag of search."),
        ("search", ["--xyzzy"], "unknown flag --xyzzy", "--help"),
        # A flag of absl's own modules, which share one global list.
        ("search", ["--verbosity=1"], "unknown flag --verbosity", "--help"),
        ("search", ["now"], "now", "--help"),
        ("search", ["now", "--seed=1"], "now", "--help"),
        ("search", ["--batch_size=many"], "--batch_size=many", "--help"),
        ("search", ["--batch_size=2.5"], "--batch_size=2.5", "--help"),
        ("search", ["--backbone=vgg"], "--backbone=vgg", "own_segmenter"),
        ("search", ["--strategy=all"], "<auto|one_device", "--help"),
        ("search", ["--seed"], "--seed", "--help"),
        ("search", ["--flagfile=missing.flags"], "missing.flags", None),
        ("search", ["--train_cases=31"], "--train_cases=31", "30"),
        (
            "search",
            ["--dataset=cx_seg", "--data_dir=x", "--phantom_cases=9"],
            "--dataset=cx_seg --phantom_cases=9",
            "--phantom_cases",
        ),
        (
            "search",
            ["--split=folds", "--train_cases=8"],
            "--split=folds --train_cases=8",
            "--train_cases",
        ),
        ("train", ["--cases=a.csv", "--train_cases=8"], "--cases=a.csv", "--train_cases"),
        ("search", ["--num_folds=3"], "--split=random --num_folds=3", "--num_folds"),
        ("search", ["--percentiles=1,2"], "--normalization=range", "--percentiles"),
        ("evaluate", [], "no --workdir", "--workdir="),
        ("export", ["--workdir=nowhere"], "--workdir=nowhere", "search"),
    ],
)
def test_refusals(command, argv, received, remedy):
    with pytest.raises(ConfigurationError) as caught:
        config_from_flags(command, argv)
    assert received in caught.value.received
    if remedy is not None:
        assert remedy in caught.value.remedy


def test_flagfiles_nest_and_later_flags_win(tmp_path):
    (tmp_path / "inner.flags").write_text("# a comment\n--seed=3\n--image_size=32\n")
    (tmp_path / "outer.flags").write_text("--flagfile=inner.flags\n\n--image_size=48\n")
    config = config_from_flags("search", ["--flagfile=outer.flags", "--batch_size=2"])
    assert (config.seed, config.data.image_size, config.training.batch_size) == (3, 48, 2)
    config = config_from_flags("search", ["--flagfile=outer.flags", "--seed=5"])
    assert config.seed == 5


def test_a_misspelt_flag_in_a_flagfile_is_refused(tmp_path):
    (tmp_path / "run.flags").write_text("--imagesize=32\n")
    with pytest.raises(ConfigurationError, match="--image_size"):
        config_from_flags("search", ["--flagfile=run.flags"])


def _hold_a_run(path: Path):
    save_config(RunConfig(), path)


def _hold_a_file(path: Path):
    path.mkdir()
    (path / "notes.txt").write_text("mine")


def _be_a_file(path: Path):
    path.write_text("mine")


@pytest.mark.parametrize(
    ("prepare", "received"),
    [(_hold_a_run, "holds a run"), (_hold_a_file, "other files"), (_be_a_file, "a file")],
)
@pytest.mark.parametrize("command", ["search", "train"])
def test_an_occupied_work_directory_is_refused(tmp_path, prepare, received, command):
    prepare(tmp_path / "here")
    flags = ["--discriminator=none"] if command == "train" else []
    with pytest.raises(ConfigurationError, match=received):
        config_from_flags(command, ["--workdir=here", *flags])


def test_an_empty_work_directory_will_do(tmp_path):
    (tmp_path / "here").mkdir()
    assert config_from_flags("search", ["--workdir=here"]).workdir == "here"


def resume(workdir: str, *flags: str, command: str = "search") -> RunConfig:
    return config_from_flags(command, ["--resume", f"--workdir={workdir}", *flags])


BEGUN = RunConfig(
    training=TrainingConfig(batch_size=2, learning_rate=0.5), seed=9, workdir="runs/old"
)


@pytest.fixture
def begun(tmp_path):
    """A run that has begun, in `here`, where it was moved."""
    save_config(BEGUN, tmp_path / "here")


@pytest.mark.usefixtures("begun")
def test_a_run_is_resumed_with_its_own_configuration_where_it_lies_now():
    expected = dataclasses.replace(BEGUN, workdir="here")
    assert resume("here") == expected
    assert resume("here", "--seed=9", "--learning_rate=0.5", "--backbone=unet") == expected
    assert config_from_flags("search", ["--estimate", "--resume", "--workdir=here"]) == expected


@pytest.mark.usefixtures("begun")
def test_what_no_result_follows_from_may_change():
    flags = ("--checkpoint_every=3", "--keep_checkpoints=2", "--on_nonfinite=rollback")
    reliability = ReliabilityConfig(Interval(3, None), 2, "rollback")
    assert resume("here", *flags) == dataclasses.replace(
        BEGUN, workdir="here", reliability=reliability
    )
    with pytest.raises(ConfigurationError, match="--keep_checkpoints=1"):
        resume("here", "--keep_checkpoints=1")


def test_the_data_of_a_resumed_run_may_have_moved(tmp_path):
    data = DataConfig(dataset="cx_seg", data_dir="before")
    save_config(RunConfig(data=data), tmp_path / "here")
    assert resume("here").data == data
    assert resume("here", "--data_dir=after").data.data_dir == "after"


@pytest.mark.usefixtures("begun")
def test_other_flags_are_refused_all_of_them_by_name(tmp_path):
    (tmp_path / "run.flags").write_text("--seed=9\n--collapse_window=3\n")
    with pytest.raises(ConfigurationError) as caught:
        resume("here", "--learning_rate=0.25", "--num_replicas=2", "--flagfile=run.flags")
    assert caught.value.received == (
        "--learning_rate=0.25, started with 0.5; --num_replicas=2, started with None; "
        f"--collapse_window=3, started with {CollapseConfig().collapse_window}"
    )
    assert caught.value.file == "here" and "Leave these flags out" in caught.value.remedy


@pytest.mark.usefixtures("begun")
def test_a_run_is_resumed_by_the_command_that_began_it():
    with pytest.raises(ConfigurationError) as caught:
        resume("here", command="train")
    assert caught.value.received == "train for a run of search"
    assert caught.value.remedy == "python -m darts_adv_tf.search --resume --workdir=here"


# None of these says what to run; the remedy for a step that is not finite names one of them.
@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("--estimate",),
        ("--flagfile=empty.flags",),
        ("--on_nonfinite=skip", "--checkpoint_every=9", "--keep_checkpoints=2"),
    ],
)
def test_where_no_run_is_none_is_resumed_unless_it_is_said_what_to_run(flags, tmp_path):
    (tmp_path / "empty.flags").write_text("# nothing\n")
    with pytest.raises(ConfigurationError) as caught:
        resume("nowhere", *flags)
    assert caught.value.received == "--workdir=nowhere, which holds none"
    assert not (tmp_path / "nowhere").exists()
    # As a batch system does that starts one command again and again.
    begun = resume("nowhere", "--seed=9", *flags)
    assert (begun.seed, begun.workdir) == (9, "nowhere")


def test_a_run_is_resumed_in_a_folder_that_is_named():
    with pytest.raises(ConfigurationError, match="--resume without --workdir"):
        config_from_flags("search", ["--resume", "--seed=1"])


def test_other_files_are_not_resumed(tmp_path):
    _hold_a_file(tmp_path / "here")
    with pytest.raises(ConfigurationError, match="other files"):
        resume("here", "--seed=1")


@pytest.mark.usefixtures("begun")
def test_a_folder_that_holds_a_run_is_offered_to_be_resumed():
    with pytest.raises(ConfigurationError) as caught:
        config_from_flags("search", ["--workdir=here"])
    assert "--resume" in caught.value.remedy and "Name another --workdir" in caught.value.remedy


def test_evaluate_and_export_continue_the_run_where_it_lies_now(tmp_path):
    data = DataConfig(dataset="cx_seg", data_dir="before")
    run = RunConfig(data=data, workdir="runs/old", seed=9)
    save_config(run, tmp_path / "moved")
    moved = dataclasses.replace(run, workdir="moved")
    assert config_from_flags("export", ["--workdir=moved"]) == moved
    assert config_from_flags("evaluate", ["--workdir=moved"]) == moved
    elsewhere = config_from_flags("evaluate", ["--workdir=moved", "--data_dir=after"])
    assert elsewhere == dataclasses.replace(
        moved, data=DataConfig(dataset="cx_seg", data_dir="after")
    )


def test_a_phantom_run_has_no_data_to_move(tmp_path):
    save_config(RunConfig(), tmp_path / "run")
    with pytest.raises(ConfigurationError, match="no folder"):
        config_from_flags("evaluate", ["--workdir=run", "--data_dir=after"])


def commands_of(path: Path) -> tuple[str, ...]:
    """The commands that take a flagfile, by the one that it opens with."""
    found = COMMAND_OF_A_FLAGFILE.match(path.read_text())
    return ("reproduce",) if found and found[1] == "reproduce" else ("search", "train")


@pytest.mark.parametrize(
    ("path", "command"),
    [
        pytest.param(path, command, id=f"{path.name}-{command}")
        for path in FLAGFILES
        for command in commands_of(path)
    ],
)
def test_the_flagfiles_serve_their_commands(path, command, monkeypatch):
    monkeypatch.chdir(path.parents[1])
    argv = [f"--flagfile=flags/{path.name}", "--workdir=runs/none_of_that_name"]
    if "data_dir" in path.read_text():
        argv.append("--data_dir=somewhere")
    if command == "train":
        argv.append("--discriminator=none")
    config_from_flags(command, argv)


def test_the_flagfile_of_the_phantom_states_the_defaults(monkeypatch):
    monkeypatch.chdir(FLAGFILES[0].parents[1])
    argv = ["--flagfile=flags/phantom.flags", "--workdir=runs/none_of_that_name"]
    config = config_from_flags("search", argv)
    assert dataclasses.replace(config, workdir=None) == RunConfig()


@pytest.mark.parametrize("backbone", ["unet", "fcn32s"])
def test_the_flagfiles_of_the_paper_state_its_values(backbone, monkeypatch):
    monkeypatch.chdir(FLAGFILES[0].parents[1])
    argv = [f"--flagfile=flags/paper_cx_seg_{backbone}.flags", "--data_dir=somewhere"]
    config = config_from_flags("search", argv)
    assert (config.data.dataset, config.data.image_size) == ("cx_seg", 512)
    assert config.data.train_cases == 50
    assert (config.model.backbone, config.model.segmenter_width) == (backbone, 64)
    assert config.model.discriminator_cells == "NRNRNRN"
    assert config.training.learning_rate == config.training.architecture_learning_rate == 1e-4
    assert config.training.adversarial_weight == 0.01
    assert config.training.retrain_epochs == 50


@pytest.mark.parametrize("path", FLAGFILES, ids=lambda path: path.name)
def test_a_flagfile_opens_with_its_command_duration_and_result(path):
    opening = [line for line in path.read_text().splitlines() if line.startswith("#")][:3]
    command = COMMAND_OF_A_FLAGFILE.match(opening[0])
    is_included = any(
        f"--flagfile=flags/{path.name}" in other.read_text().splitlines() for other in FLAGFILES
    )
    assert command[2] == f"flags/{path.name}" if command else is_included
    assert opening[1].startswith("# Duration: ") and opening[2].startswith("# Result:   ")


# Other than the defaults in every part, with each kind of value.
VARIED = RunConfig(
    data=DataConfig(
        dataset="cx_seg",
        data_dir="a folder, with spaces",
        keep_aspect=True,
        normalization="window",
        window=(-1000, 400),
        split="folds",
        num_folds=3,
        fold=2,
    ),
    augmentation=AugmentationConfig(augment_gamma=0.1, augment_flip=True),
    model=ModelConfig(discriminator="random", random_draw=7, discriminator_cells="NR"),
    training=TrainingConfig(learning_rate=1e-4, retrain_epochs=1, test_every=1),
    distribution=DistributionConfig(num_replicas=2),
    reliability=ReliabilityConfig(checkpoint_every=Interval(None, 30.0)),
    collapse=CollapseConfig(collapse_window=7),
    seed=2**32 - 1,
    workdir="here",
    command="train",
)


@pytest.mark.parametrize(
    "config",
    [
        VARIED,
        RunConfig(workdir="here"),
        RunConfig(workdir="here", training=TrainingConfig(architecture_objective="segmentation")),
        RunConfig(command="train", workdir="here", genotype="a/genotype.json"),
    ],
    ids=["varied", "default", "search", "genotype"],
)
def test_a_configuration_as_flags_gives_itself(config):
    flags = as_flags(config)
    assert config_from_flags(config.command, flags) == config
    # And nothing that needs no saying.
    assert all(flag.startswith("--workdir=") for flag in as_flags(RunConfig(workdir="here")))
    assert as_flags(TrainingConfig(), always={"test_every"}) == ["--test_every=0"]


def test_a_matrix_as_flags_gives_itself():
    argv = ["--experiment=curves", "--seeds=4,2", "--parallel=2", "--image_size=96", "--workdir=m"]
    config = config_from_flags("reproduce", argv)
    assert config_from_flags("reproduce", as_flags(config)) == config
    assert config == ReproduceConfig(
        experiment="curves",
        seeds=(4, 2),
        parallel=2,
        workdir="m",
        base=RunConfig(data=DataConfig(image_size=96), training=TrainingConfig(test_every=1)),
    )


@pytest.mark.parametrize("arm", ARMS)
def test_the_command_lines_of_a_matrix_are_those_of_its_runs(arm, tmp_path):
    # Of the defaults alone, too, which --resume takes for a misspelt folder.
    flags = ["--test_every=0", "--backbones=unet", "--seeds=0", "--random_draws=1"]
    config = config_from_flags("reproduce", [*flags, f"--arms={arm}", f"--workdir={tmp_path}"])
    (run,) = plan(config)
    _, _, module, *arguments = command_of(run)
    assert config_from_flags(module.rpartition(".")[2], arguments) == run.config


@pytest.mark.parametrize("flag", ["architecture_gradient=first_order", "backbone=unet"])
@pytest.mark.parametrize("path", ["cx_seg", "jsrt"])
def test_what_a_matrix_sets_itself_is_refused_beside_the_flagfile_too(path, flag, monkeypatch):
    monkeypatch.chdir(FLAGFILES[0].parents[1])
    flagfile = f"--flagfile=flags/paper_{path}_table.flags"
    with pytest.raises(ConfigurationError, match="use --backbones, --arms"):
        config_from_flags("reproduce", [flagfile, "--data_dir=somewhere", f"--{flag}"])


def test_a_matrix_measures_the_test_cases_each_epoch_unless_told_otherwise():
    def epochs(*flags):
        return config_from_flags("reproduce", flags).base.training.test_every

    assert (epochs(), epochs("--test_every=5"), epochs("--test_every=0")) == (1, 5, 0)


def test_reproduce_has_the_flags_of_the_search_but_for_those_it_sets():
    own = set(settings_of(ReproduceConfig))
    set_by_it = {"backbone", "seed", "resume", "estimate"}
    set_by_it |= {"architecture_gradient", "architecture_objective"}
    assert flags_in_help("reproduce") == (flags_in_help("search") - set_by_it) | own


@pytest.mark.parametrize(
    ("flags", "received"),
    [
        (["--seeds=0,0"], "--seeds=0,0"),
        (["--seeds=0,x"], "--seeds=0,x"),
        (["--seeds=-1"], "--seeds=-1"),
        ([f"--seeds={2**32}"], f"--seed={2**32}"),
        (["--backbones=unet,vgg"], "--backbone=vgg"),
        (["--backbones=unet,unet"], "--backbones=unet,unet"),
        (["--arms=none,"], "--arms=none,"),
        (["--random_draws=0"], "--random_draws=0"),
        (["--parallel=0"], "--parallel=0"),
        (["--retrain_epochs=0"], "--retrain_epochs=0"),
        (["--strategy=multi_worker"], "--strategy=multi_worker"),
        (["--report_only"], "--report_only without --workdir"),
        (["--train_cases=31"], "--train_cases=31"),
        (["--phantom_cases=9", "--dataset=cx_seg", "--data_dir=x"], "--phantom_cases=9"),
        (["--backbone=unet"], "unknown flag --backbone"),
    ],
)
def test_a_matrix_that_cannot_be_is_refused(flags, received):
    with pytest.raises(ConfigurationError) as caught:
        config_from_flags("reproduce", flags)
    assert received in caught.value.received


def test_a_random_draw_belongs_to_a_random_discriminator():
    flags = ["--discriminator=random", "--random_draw=3"]
    assert config_from_flags("train", flags).model.random_draw == 3
    with pytest.raises(ConfigurationError, match="--random_draw must be given with"):
        config_from_flags("train", ["--discriminator=resnet10", "--random_draw=3"])
