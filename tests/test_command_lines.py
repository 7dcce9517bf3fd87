"""The commands themselves on tiny data: what they leave, and that they agree with each other."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.evaluation.metrics import confusion_matrix, iou
from darts_adv_tf.search_space.candidate_operations import PUBLISHED_OPERATIONS
from darts_adv_tf.search_space.genotype import load_genotype, random_genotype
from darts_adv_tf.search_space.space import PUBLISHED_SPACE as SPACE
from tests.command_line import TINY, TINY_SEARCH, CommandLine, run_command, write_cx_seg
from tests.events import read_events
from tests.phantoms import load_phantoms

CLASS_NAMES = ("background", "left_lung", "right_lung", "heart")
CELLS_OF_A_SEARCH = {
    "search": ("normal", "reduction"),
    "replicas": ("normal",),
    "other_seed": ("normal",),
}
"""The kinds of cell in the pattern of each run that searches: there is a plot of each."""
FILES_OF_AN_EVALUATION = {"metrics.json", "per_case.csv", "overlays.png"}
FILES_OF_A_TRAINING = FILES_OF_AN_EVALUATION | {"epochs_retrain.csv", "segmenter"}
FIGURES_OF_A_BASELINE = {
    "mean_iou",
    "mean_iou_organs",
    "mean_hd95_organs",
    "mean_assd_organs",
    "cardiothoracic_ratio",
}
FILES_OF_ANY_RUN = {"config.json", "cases.csv", "checkpoints", "tensorboard"}
TWO_REPLICAS = (*TINY_SEARCH, "--discriminator_cells=N", "--num_replicas=2")
SEARCH_CURVES = {
    "loss/segmentation",
    "loss/adversarial",
    "loss/discriminator",
    "loss/validation",
    "accuracy/real",
    "accuracy/fake",
    "gradient_norm/segmenter",
    "gradient_norm/discriminator",
    "gradient_norm/architecture",
    "second_order/ratio",
    "second_order/cosine_of_finite_difference",
    "second_order/norm_ratio_of_finite_difference",
    *(
        f"alpha_{figure}/{kind}"
        for figure in ("entropy", "none", "skip_connect", "none_edges", "skip_connect_edges")
        for kind in ("normal", "reduction")
    ),
}
# The only figure that differs from run to run.
PACE = "seconds/step"
SEARCH_PICTURES = {
    "val/overlays",
    "alpha/normal",
    "alpha/reduction",
    "genotype/normal",
    "genotype/reduction",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("commands")


@pytest.fixture(scope="module")
def runs(folder):
    """All runs by name, started at once, the longest first."""
    commands = CommandLine(folder)
    started = {
        "search": commands.start(
            "search",
            *TINY_SEARCH,
            "--discriminator_cells=NR",
            "--architecture_gradient=exact",
            "--compare_gradient_every=1",
            "--workdir=search",
        ),
        "replicas": commands.start("search", *TWO_REPLICAS, "--workdir=replicas"),
        "again": commands.start("search", *TWO_REPLICAS, "--workdir=again"),
        "other_seed": commands.start(
            "search", *TWO_REPLICAS, "--seed=1", "--retrain_epochs=0", "--workdir=other_seed"
        ),
    }
    write_cx_seg(folder / "cx_seg")
    swap_heart_and_lung(folder / "cx_seg")
    # Without a --workdir.
    started["fcn32s"] = commands.start(
        "train",
        *(flag for flag in TINY if "phantom" not in flag),
        *("--dataset=cx_seg", "--data_dir=cx_seg", "--backbone=fcn32s", "--discriminator=none"),
    )

    def evaluate_and_export_elsewhere():
        shutil.copytree(folder / "search", folder / "moved")
        for name in FILES_OF_AN_EVALUATION:
            (folder / "moved" / name).unlink()
        shutil.rmtree(folder / "moved" / "segmenter")
        return [
            run_command(folder, command, "--workdir=moved") for command in ("evaluate", "export")
        ]

    def train():
        flags = ("--genotype=search/genotype.json", "--test_every=1", "--workdir=train")
        return run_command(folder, "train", *TINY, "--discriminator_channels=2", *flags)

    for name, flags in {
        "random": ("--discriminator_cells=NR", "--random_draw=3"),
        "resnet10": ("--test_every=2",),
    }.items():
        discriminator = (f"--discriminator={name}", "--discriminator_channels=2")
        started[name] = commands.start("train", *TINY, *discriminator, *flags, f"--workdir={name}")
    started["moved"] = commands.start_after(started["search"], evaluate_and_export_elsewhere)
    started["train"] = commands.start_after(started["search"], train)
    yield started
    commands.close()


def swap_heart_and_lung(data_dir):
    """A fault of CX-SEG, in its first case."""
    name = min(path.name for path in (data_dir / "png").iterdir())
    heart, lung = (data_dir / "mask" / organ / name for organ in ("heart", "left_lung"))
    heart.rename(data_dir / "kept.png")
    lung.rename(heart)
    (data_dir / "kept.png").rename(lung)


@pytest.fixture(scope="module")
def finished(runs):
    """Waits for a run by name, which must have succeeded; returns its `CompletedProcess`."""

    def wait(name):
        process = runs[name].result()
        assert process.returncode == 0, process.stdout + process.stderr
        return process

    return wait


@pytest.fixture(scope="module")
def workdir(folder, finished):
    """Waits for a run by name; returns its folder."""

    def wait(name):
        finished(name)
        return folder / name

    return wait


def names_in(workdir):
    return {path.name for path in workdir.iterdir()}


def read_metrics(workdir):
    return json.loads((workdir / "metrics.json").read_text())


def read_csv(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def events_of(workdir, phase):
    """Steps and values by tag."""
    return read_events(workdir / "tensorboard" / phase)


def read_checkpoint(workdir, phase):
    """The arrays of the newest checkpoint by name."""
    newest = max((workdir / "checkpoints" / phase).glob("step-*"))
    with np.load(newest / "state.npz") as arrays:
        return dict(arrays)


def files_of_a_genotype(*kinds):
    return {"genotype.json", *(f"genotype_{kind}.png" for kind in kinds)}


def files_of_a_search(name):
    files = files_of_a_genotype(*CELLS_OF_A_SEARCH[name]) | {"epochs_search.csv", "alpha.csv"}
    return FILES_OF_ANY_RUN | files


def test_a_search_leaves_every_file_of_the_contract_and_no_other(workdir):
    for name in ("search", "replicas"):
        assert names_in(workdir(name)) == files_of_a_search(name) | FILES_OF_A_TRAINING
        assert (workdir(name) / "segmenter" / "1" / "saved_model.pb").is_file()


def test_a_search_closes_with_its_figures_and_where_everything_lies(finished, workdir):
    lines = finished("search").stdout.splitlines()
    assert "data: 8 cases of phantom, 2 train, 2 val, 4 test" in lines
    metrics = read_metrics(workdir("search"))
    (row,) = (line.split() for line in lines if line.startswith("segmenter "))
    assert row[1:3] == [f"{metrics[key]:.4f}" for key in ("mean_iou", "mean_iou_organs")]
    listed = {line.split()[0] for line in lines if line.startswith("search/")}
    names = names_in(workdir("search")) - {"segmenter"} | {"segmenter/1"}
    assert listed == {f"search/{name}" for name in names}


def test_a_good_run_shows_its_progress_and_no_warning(finished):
    for name in ("search", "replicas", "other_seed", "train", "fcn32s", "random", "resnet10"):
        lines = finished(name).stderr.splitlines()
        progress = re.compile(r"(data|search|retrain) \d+/\d+($|  )")
        assert lines
        assert [line for line in lines if not progress.match(line)] == []


def test_a_search_that_ends_with_the_genotype_leaves_no_segmenter(workdir):
    assert names_in(workdir("other_seed")) == files_of_a_search("other_seed")


@pytest.mark.parametrize("command", ["evaluate", "export"])
def test_what_no_training_left_cannot_be_continued(command, workdir, tmp_path):
    process = run_command(tmp_path, command, f"--workdir={workdir('other_seed')}")
    assert process.returncode == 5, process.stderr
    assert "no checkpoint of retraining" in process.stderr and "--genotype=" in process.stderr
    assert "Traceback" not in process.stderr


def test_the_genotype_is_valid_and_drawn(workdir):
    for name, kinds in CELLS_OF_A_SEARCH.items():
        load_genotype(workdir(name) / "genotype.json")
        for kind in kinds:
            drawing = (workdir(name) / f"genotype_{kind}.png").read_bytes()
            assert drawing.startswith(b"\x89PNG")


def test_metrics_have_the_keys_of_the_contract_and_agree_with_the_cases(workdir):
    metrics = read_metrics(workdir("search"))
    assert set(metrics) == {
        "num_cases",
        "mean_iou",
        "mean_iou_organs",
        "iou",
        "dice",
        "mean_iou_per_case",
        "hd95",
        "assd",
        "mean_hd95_organs",
        "mean_assd_organs",
        "num_missing",
        "num_absent",
        "cardiothoracic_ratio",
        "baselines",
    }
    assert tuple(metrics["iou"]) == tuple(metrics["dice"]) == CLASS_NAMES
    assert {name: set(row) for name, row in metrics["baselines"].items()} == {
        "mean_shape": FIGURES_OF_A_BASELINE,
        "all_background": FIGURES_OF_A_BASELINE,
    }
    by_class = [metrics["iou"][name] for name in CLASS_NAMES]
    assert metrics["mean_iou"] == pytest.approx(np.mean(by_class))
    assert metrics["mean_iou_organs"] == pytest.approx(np.mean(by_class[1:]))
    for name in CLASS_NAMES:
        overlap = metrics["iou"][name]
        assert metrics["dice"][name] == pytest.approx(2 * overlap / (1 + overlap))

    rows = read_csv(workdir("search") / "per_case.csv")
    test_cases = [
        row["case"] for row in read_csv(workdir("search") / "cases.csv") if row["split"] == "test"
    ]
    assert [row["case"] for row in rows] == test_cases
    assert metrics["num_cases"] == len(rows) == 4
    mean_of_cases = np.mean([float(row["mean_iou"]) for row in rows])
    assert metrics["mean_iou_per_case"] == pytest.approx(mean_of_cases, abs=1e-6)


def test_the_exported_model_scores_what_metrics_json_says(workdir):
    dataset = load_phantoms(32, 8, seed=0)
    rows = read_csv(workdir("search") / "cases.csv")
    test = [dataset.cases.index(row["case"]) for row in rows if row["split"] == "test"]
    model = tf.saved_model.load(str(workdir("search") / "segmenter" / "1"))
    images = tf.constant(dataset.images[test] * dataset.preparation.intensity_maximum)
    labels = model.signatures["serving_default"](images=images)["labels"].numpy()
    received = iou(confusion_matrix(dataset.labels[test], labels, len(CLASS_NAMES)))
    expected = list(read_metrics(workdir("search"))["iou"].values())
    # A pixel may fall the other way where two classes are equally likely.
    np.testing.assert_allclose(received, expected, atol=2e-3)


def test_the_configuration_is_kept_with_the_run(workdir):
    content = json.loads((workdir("search") / "config.json").read_text())
    assert content["command"] == "search"
    assert content["data"]["image_size"] == 32
    assert content["model"]["discriminator_cells"] == "NR"
    assert content["training"]["compare_gradient_every"] == 1
    assert content["versions"]["tensorflow"] == tf.__version__


def test_tensorboard_has_every_curve_of_the_search(workdir):
    events = events_of(workdir("search"), "search")
    assert set(events) == SEARCH_CURVES | SEARCH_PICTURES | {"val/mean_iou", PACE}
    for tag in SEARCH_CURVES:
        assert [step for step, _ in events[tag]] == [1, 2], tag
        assert all(np.isfinite(value) for _, value in events[tag]), tag
    for tag in ("accuracy/real", "accuracy/fake", "val/mean_iou"):
        assert all(0 <= value <= 1 for _, value in events[tag]), tag
    for _, value in events["second_order/cosine_of_finite_difference"]:
        assert -1 <= value <= 1
    for kind in ("normal", "reduction"):
        for tag, start in (
            ("entropy", SPACE.largest_entropy),
            ("none", 1 / 8),
            ("skip_connect", 1 / 8),
        ):
            for _, value in events[f"alpha_{tag}/{kind}"]:
                assert value == pytest.approx(start, rel=0.1)
        for tag in ("none_edges", "skip_connect_edges"):
            for _, value in events[f"alpha_{tag}/{kind}"]:
                assert float(14 * value) == pytest.approx(round(float(14 * value)), abs=1e-5)


def test_tensorboard_has_the_pictures(workdir):
    for phase, tags in (("search", SEARCH_PICTURES), ("retrain", {"train/overlays"})):
        events = events_of(workdir("search"), phase)
        for tag in tags:
            ((_, picture),) = events[tag]
            assert picture[2].startswith(b"\x89PNG"), tag


def test_tensorboard_has_every_curve_of_retraining(workdir):
    curves = {tag for tag in SEARCH_CURVES if tag.split("/")[0] in ("loss", "accuracy")}
    curves |= {"gradient_norm/segmenter", "gradient_norm/discriminator", "train/mean_iou"}
    curves -= {"loss/validation"}
    events = events_of(workdir("search"), "retrain")
    assert set(events) == curves | {"train/overlays", PACE}
    # Four training cases in batches of two, two epochs.
    assert [step for step, _ in events["loss/segmentation"]] == [1, 2, 3, 4]


def test_tables_have_a_row_an_epoch_with_the_means_of_the_curves(workdir):
    for phase, steps in (("search", [(1,), (2,)]), ("retrain", [(1, 2), (3, 4)])):
        rows = read_csv(workdir("search") / f"epochs_{phase}.csv")
        assert [row["epoch"] for row in rows] == ["1", "2"]
        assert all(float(row["seconds"]) > 0 for row in rows)
        curves = {
            tag: {step: float(value) for step, value in points}
            for tag, points in events_of(workdir("search"), phase).items()
            if tag.startswith(("loss/", "accuracy/", "second_order/"))
        }
        assert set(rows[0]) == {"epoch", "seconds", *curves}
        for tag, points in curves.items():
            means = [np.mean([points[step] for step in of_epoch]) for of_epoch in steps]
            assert [float(row[tag]) for row in rows] == pytest.approx(means, rel=1e-5), tag


def test_the_table_of_alpha_ends_with_what_the_genotype_was_derived_from(workdir):
    rows = read_csv(workdir("search") / "alpha.csv")
    assert [row["epoch"] for row in rows] == ["1"] * 28 + ["2"] * 28
    received = [[float(row[name]) for name in PUBLISHED_OPERATIONS] for row in rows[-28:]]
    arrays = read_checkpoint(workdir("search"), "search")
    for index, kind in enumerate(("normal", "reduction")):
        (alpha,) = (
            array for name, array in arrays.items() if name.startswith(f"architecture/alpha_{kind}")
        )
        weights = np.exp(alpha) / np.exp(alpha).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(received[14 * index : 14 * index + 14], weights, rtol=1e-5)


@pytest.mark.parametrize(("run", "tested"), [("train", [1, 2]), ("resnet10", [2]), ("search", [])])
def test_test_cases_are_measured_every_so_many_epochs(run, tested, workdir):
    rows = read_csv(workdir(run) / "epochs_retrain.csv")
    assert [row["epoch"] for row in rows] == ["1", "2"]
    received = [int(row["epoch"]) for row in rows if row.get("test/mean_iou")]
    assert received == tested
    if not tested:
        return
    metrics = read_metrics(workdir(run))
    curves = events_of(workdir(run), "retrain")
    for figure in ("mean_iou", "mean_iou_organs"):
        # At the end it is the segmenter that is evaluated.
        assert float(rows[-1][f"test/{figure}"]) == pytest.approx(metrics[figure], abs=1e-5)
        assert [step for step, _ in curves[f"test/{figure}"]] == [2 * epoch for epoch in tested]


def test_the_state_of_the_search_outlasts_it_with_the_slots_of_alphas_optimizer(workdir):
    arrays = read_checkpoint(workdir("search"), "search")
    slots = [
        array
        for name, array in arrays.items()
        if name.startswith("architecture_optimizer/") and array.shape == SPACE.alpha_shape
    ]
    assert len(slots) == 4
    assert all(np.abs(slot).max() > 0 for slot in slots)


@pytest.mark.parametrize("phase", ["search", "retrain"])
def test_the_same_seed_gives_the_same_run_bit_for_bit_on_two_replicas(phase, workdir):
    first, again = (read_checkpoint(workdir(name), phase) for name in ("replicas", "again"))
    assert set(first) == set(again) and len(first) > 20
    for name, array in first.items():
        assert array.tobytes() == again[name].tobytes(), name
    first, again = (events_of(workdir(name), phase) for name in ("replicas", "again"))
    assert set(first) == set(again)
    for tag, points in first.items():
        if tag == PACE:
            continue
        for (step, value), (other_step, other) in zip(points, again[tag], strict=True):
            assert (step, value.tolist()) == (other_step, other.tolist()), tag


def test_the_same_seed_gives_the_same_results_bit_for_bit(workdir):
    for name in ("cases.csv", "genotype.json", "metrics.json", "per_case.csv", "overlays.png"):
        first, again = ((workdir(run) / name).read_bytes() for run in ("replicas", "again"))
        assert first == again, name


def test_another_seed_gives_another_run(workdir):
    first, other = (read_checkpoint(workdir(name), "search") for name in ("replicas", "other_seed"))
    assert set(first) == set(other)
    for name in ("architecture/alpha_normal", "discriminator/head_kernel"):
        matches = [key for key in first if key.startswith(name)]
        assert matches
        assert all(not np.array_equal(first[key], other[key]) for key in matches)
    for name in ("cases.csv", "genotype.json"):
        one, another = ((workdir(run) / name).read_text() for run in ("replicas", "other_seed"))
        assert one != another, name


def test_evaluate_and_export_reproduce_a_run_that_has_moved(folder, workdir, runs):
    evaluation, export = runs["moved"].result()
    for process in (evaluation, export):
        assert process.returncode == 0, process.stderr
    for name in ("metrics.json", "per_case.csv", "overlays.png"):
        moved, original = ((folder / run / name).read_bytes() for run in ("moved", "search"))
        assert moved == original, name
    assert export.stdout.split() == ["moved/segmenter/1"]
    images = tf.random.uniform((2, 40, 50, 1), 0, 255, seed=0)
    answers = []
    for run in ("moved", "search"):
        # Kept: the signature does not hold its model.
        model = tf.saved_model.load(str(folder / run / "segmenter" / "1"))
        answers.append(model.signatures["serving_default"](images=images)["probabilities"])
    np.testing.assert_array_equal(*answers)


def test_train_takes_a_genotype_and_starts_from_the_segmenter_that_the_search_starts_from(workdir):
    genotype = files_of_a_genotype("normal", "reduction")
    everything = FILES_OF_ANY_RUN | genotype | FILES_OF_A_TRAINING
    assert names_in(workdir("train")) == names_in(workdir("random")) == everything
    genotypes = [load_genotype(workdir(run) / "genotype.json") for run in ("train", "search")]
    assert genotypes[0] == genotypes[1]
    # The discriminators differ by their pattern of cells, the segmenters start alike.
    first, second = (events_of(workdir(run), "retrain") for run in ("train", "search"))
    for tag, is_alike in (("loss/segmentation", True), ("loss/discriminator", False)):
        assert (first[tag][0][1] == second[tag][0][1]) == is_alike


def test_train_takes_a_random_discriminator_or_a_resnet(workdir):
    assert load_genotype(workdir("random") / "genotype.json") == random_genotype(3)
    assert names_in(workdir("resnet10")) == FILES_OF_ANY_RUN | FILES_OF_A_TRAINING
    arrays = {run: read_checkpoint(workdir(run), "retrain") for run in ("random", "resnet10")}
    assert any(name.startswith("discriminator/stem") for name in arrays["resnet10"])
    assert any(name.startswith("discriminator/head_kernel") for name in arrays["random"])
    first = {run: events_of(workdir(run), "retrain") for run in ("train", "random", "resnet10")}
    # All of them meet the same segmenter with the same batch.
    assert len({float(events["loss/segmentation"][0][1]) for events in first.values()}) == 1
    assert len({float(events["loss/discriminator"][0][1]) for events in first.values()}) == 3


def test_train_without_a_discriminator_on_a_folder_of_radiographs(folder, finished):
    (run,) = (folder / "runs").iterdir()
    assert run.name.startswith("train-")
    stdout = finished("fcn32s").stdout
    assert "data: 6 cases of cx_seg, 2 train, 2 val, 2 test" in stdout
    repairs = [line for line in stdout.splitlines() if "heart" in line and "left_lung" in line]
    assert any(line.startswith("data: ") for line in repairs)
    assert names_in(run) == FILES_OF_ANY_RUN | FILES_OF_A_TRAINING
    assert read_metrics(run)["num_cases"] == 2
    assert set(events_of(run, "retrain")) == {
        "loss/segmentation",
        "gradient_norm/segmenter",
        "train/mean_iou",
        "train/overlays",
        PACE,
    }
    assert f"runs/{run.name}/metrics.json" in stdout


def test_a_folder_of_data_may_move_too(folder, finished):
    finished("fcn32s")
    (run,) = (folder / "runs").iterdir()
    before = (run / "metrics.json").read_bytes()
    (folder / "cx_seg").rename(folder / "radiographs")
    (run / "metrics.json").unlink()
    workdir = f"--workdir=runs/{run.name}"
    process = run_command(folder, "evaluate", workdir, "--data_dir=radiographs")
    assert process.returncode == 0, process.stderr
    assert (run / "metrics.json").read_bytes() == before
