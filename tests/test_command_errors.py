"""A user's mistakes on the command line: exit status, message, nothing left behind."""

import json
import re
import shutil

import cv2
import numpy as np
import pytest

from tests.command_line import TINY, TINY_SEARCH, CommandLine, run_command, write_cx_seg

ON_A_FOLDER = (
    "--dataset=cx_seg",
    "--image_size=32",
    "--train_cases=4",
    "--batch_size=2",
    "--discriminator=none",
    "--workdir=out",
)
TRAIN_TINY = (*TINY, "--discriminator=none")


def without_a_heart(data_dir):
    (case,) = sorted((data_dir / "mask" / "heart").iterdir())[2:3]
    case.unlink()
    return case.name


def with_a_small_mask(data_dir):
    path = min((data_dir / "mask" / "left_lung").iterdir())
    cv2.imwrite(str(path), np.full((20, 30), 255, np.uint8))
    return f"left_lung/{path.name}"


def with_a_damaged_image(data_dir):
    path = max((data_dir / "png").iterdir())
    path.write_bytes(path.read_bytes()[:60])
    return f"png/{path.name}"


def without_images(data_dir):
    for path in (data_dir / "png").iterdir():
        path.unlink()
    return "png"


def with_too_few_cases(data_dir):
    for path in sorted((data_dir / "png").iterdir())[4:]:
        path.unlink()
    return "train_cases=4 of 4"


FAULTS = {
    fault.__name__: fault
    for fault in (
        without_a_heart,
        with_a_small_mask,
        with_a_damaged_image,
        without_images,
        with_too_few_cases,
    )
}
GENOTYPES = {
    "not_json": "normal: sep_conv_3x3",
    "an_unknown_operation": '{"format": "darts_adv_tf.genotype", "version": 1, "normal": '
    '[[["conv_9x9", 0], ["skip_connect", 1]]], "reduction": [], "concat": [2, 3, 4, 5]}',
}
# Command, flags, and what the message names.
FLAG_MISTAKES = {
    "unknown": ("search", ["--learning_rat=1"], "unknown flag --learning_rat"),
    "of_another_command": ("train", ["--search_epochs=3"], "unknown flag --search_epochs"),
    "positional": ("search", ["phantom"], "phantom"),
    "contradiction_of_data": (
        "search",
        ["--dataset=phantom", "--data_dir=x"],
        "--dataset=phantom --data_dir=x",
    ),
    "folder_left_out": ("search", ["--dataset=cx_seg"], "--dataset=cx_seg without --data_dir"),
    "contradiction_of_gradient": (
        "search",
        ["--architecture_gradient=first_order", "--unroll_rate=0.1"],
        "--architecture_gradient=first_order --unroll_rate=0.1",
    ),
    "batch_that_replicas_do_not_divide": (
        "search",
        ["--batch_size=3", "--num_replicas=2"],
        "--batch_size=3 --num_replicas=2",
    ),
    "too_few_phantoms": (
        "search",
        ["--train_cases=8", "--phantom_cases=8"],
        "--train_cases=8 --phantom_cases=8",
    ),
    "genotype_left_out": ("train", [], "--discriminator=nas without --genotype"),
    "nothing_to_resume": (
        "search",
        ["--resume", "--workdir=out"],
        "--workdir=out, which holds none",
    ),
    "resumed_nowhere": ("search", ["--resume", "--seed=1"], "--resume without --workdir"),
    "unreadable_interval": ("search", ["--checkpoint_every=5s"], "--checkpoint_every=5s"),
    "workdir_left_out": ("evaluate", [], "no --workdir"),
    "no_run_in_workdir": ("export", ["--workdir=nowhere"], "--workdir=nowhere"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mistakes")
    for name, fault in FAULTS.items():
        write_cx_seg(folder / name)
        (folder / f"{name}.txt").write_text(fault(folder / name))
    for name, text in GENOTYPES.items():
        (folder / f"{name}.json").write_text(text)
    (folder / "empty").mkdir()
    (folder / "occupied").mkdir()
    (folder / "occupied" / "config.json").write_text("{}")
    (folder / "a_file").write_text("")
    return folder


@pytest.fixture(scope="module")
def runs(folder):
    """All processes by name, started at once."""
    commands = CommandLine(folder)
    started = {}

    def other_model():
        shutil.copytree(folder / "trained", folder / "other_model")
        path = folder / "other_model" / "config.json"
        config = json.loads(path.read_text())
        config["model"]["segmenter_width"] = 4
        path.write_text(json.dumps(config))

    def no_checkpoint():
        shutil.copytree(folder / "trained", folder / "no_checkpoint")
        shutil.rmtree(folder / "no_checkpoint" / "checkpoints")

    def damaged():
        shutil.copytree(folder / "trained", folder / "damaged")
        (state,) = (folder / "damaged" / "checkpoints").rglob("state.npz")
        state.write_bytes(state.read_bytes()[:1000])

    trained = commands.start("train", *TRAIN_TINY, "--workdir=trained")
    for name in FAULTS:
        started[name] = commands.start("train", *ON_A_FOLDER, f"--data_dir={name}")
    for name in ("absent", "empty", "a_file"):
        started[name] = commands.start("train", *ON_A_FOLDER, f"--data_dir={name}")
    for name in (*GENOTYPES, "no_genotype"):
        started[name] = commands.start("train", f"--genotype={name}.json", "--workdir=out")
    started["occupied"] = commands.start("search", *TINY_SEARCH, "--workdir=occupied")
    started["unwritable"] = commands.start("train", *TRAIN_TINY, "--workdir=a_file/run")
    started["non_finite"] = commands.start(
        "train", *TRAIN_TINY, "--learning_rate=1e30", "--retrain_epochs=9", "--workdir=wild"
    )
    for name, (command, flags, _) in FLAG_MISTAKES.items():
        started[name] = commands.start(command, *flags)
    trained.result()
    for spoil in (other_model, no_checkpoint, damaged):
        spoil()
        # One after the other: each takes the work directory.
        flags = ("export", f"--workdir={spoil.__name__}")
        evaluated = commands.start("evaluate", flags[1])
        started[f"evaluate {spoil.__name__}"] = evaluated
        started[f"export {spoil.__name__}"] = commands.start_after(
            evaluated, lambda flags=flags: run_command(folder, *flags)
        )
    yield started
    commands.close()


@pytest.fixture(scope="module")
def assert_told(runs, folder):
    """Asserts how the run of a name ended: its status, and a message with all its parts."""

    def assert_told(name, status, received, *, names_file=False):
        process = runs[name].result()
        assert process.returncode == status, process.stderr
        assert "Traceback" not in process.stderr
        # The last of what is shown: progress, or a library's own note, may come before it.
        message = re.search(
            r"^(?P<command>\w+): (?P<rule>.+[.])\n"
            r"  Received: (?P<received>.+)\n"
            r"(  File: (?P<file>.+)\n)?"
            r"  Remedy: (?P<remedy>.+)\n\Z",
            process.stderr,
            re.MULTILINE,
        )
        assert message, process.stderr
        assert received in f"{message['received']} {message['file']}"
        assert message["file"] if names_file else True
        assert not (folder / "out").exists()

    return assert_told


@pytest.mark.parametrize("name", FLAG_MISTAKES)
def test_a_wrong_flag_ends_with_2(name, assert_told):
    assert_told(name, 2, FLAG_MISTAKES[name][2])


@pytest.mark.parametrize("name", FAULTS)
def test_wrong_data_ends_with_3_and_leaves_no_workdir(name, assert_told, folder):
    received = (folder / f"{name}.txt").read_text()
    assert_told(name, 3, received, names_file=name != "with_too_few_cases")


@pytest.mark.parametrize("name", ["absent", "empty", "a_file"])
def test_a_folder_without_data_ends_with_3(name, assert_told):
    assert_told(name, 3, name, names_file=True)


@pytest.mark.parametrize("name", [*GENOTYPES, "no_genotype"])
def test_a_broken_genotype_ends_with_2(name, assert_told):
    assert_told(name, 2, f"{name}.json", names_file=True)


def test_an_occupied_workdir_ends_with_2_and_stays_as_it_is(assert_told, folder):
    assert_told("occupied", 2, "--workdir=occupied", names_file=True)
    assert [path.name for path in (folder / "occupied").iterdir()] == ["config.json"]


def test_training_that_becomes_non_finite_ends_with_4(assert_told):
    assert_told("non_finite", 4, "of retrain")


@pytest.mark.parametrize("command", ["evaluate", "export"])
@pytest.mark.parametrize("fault", ["no_checkpoint", "other_model", "damaged"])
def test_a_checkpoint_that_cannot_be_used_ends_with_5(command, fault, assert_told):
    assert_told(f"{command} {fault}", 5, f"{fault}/checkpoints", names_file=True)


def test_a_workdir_that_cannot_be_made_ends_with_6(runs):
    process = runs["unwritable"].result()
    assert process.returncode == 6 and "a_file/run" in process.stderr
    assert "Traceback" not in process.stderr
