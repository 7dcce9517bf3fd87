"""The report's files: they agree with each other, and with NumPy."""

import dataclasses
import os

import numpy as np
import pytest

from darts_adv_tf.reproduction.arms import ARMS
from darts_adv_tf.reproduction.report import FailedRun, write_report
from darts_adv_tf.system.errors import StorageError
from tests.reproduction.report.reading import Page, markdown_tables, number_in, read_csv
from tests.reproduction.results import EPOCHS, NUM_CASES, make_result, make_results

FILES = (
    "report.html",
    "report.md",
    "table.csv",
    "differences.csv",
    "claims.csv",
    "curves.csv",
    "stability.csv",
)
BACKBONES = ("unet", "fcn32s")
RUN_ARMS = ("none", "random", "resnet10", "nas")
SEEDS = (0, 1, 2)
SETTINGS = {"dataset": "cx_seg", "image_size": "64", "learning_rate": "1e-4"}
# Student's 97.5 % quantile for two degrees of freedom, from a printed table.
T_OF_3 = 4.302653


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return make_results(tmp_path_factory.mktemp("runs"), BACKBONES, RUN_ARMS, SEEDS, draws=2)


@pytest.fixture(scope="module")
def folder(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    assert write_report(folder, results, [], SETTINGS, len(results)) == folder / "report.html"
    return folder


@pytest.fixture(scope="module")
def page(folder):
    return Page((folder / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def markdown(folder):
    return markdown_tables((folder / "report.md").read_text(encoding="utf-8"))


def the(tables, start):
    (found,) = [rows for caption, rows in tables.items() if caption.startswith(start)]
    return found


def by_heading(rows):
    assert len({row[0] for row in rows}) == len(rows)
    return {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[1:]}


def selected(results, backbone, arm):
    return [run for run in results if (run.backbone, run.arm) == (backbone, arm)]


def test_all_files_are_written_and_nothing_else(folder):
    assert sorted(os.listdir(folder)) == sorted(FILES)


def test_the_page_and_the_markdown_have_the_same_tables(page, markdown):
    on_page = {caption: rows for caption, rows in page.tables.items() if caption}
    assert len(on_page) == 8
    spaced = {
        caption: [[cell.strip() for cell in row] for row in rows]
        for caption, rows in on_page.items()
    }
    assert spaced == markdown


def interval_of_3_fractions(values):
    """Student's, on the scale of the logit."""
    logits = np.log(values / (1 - values))
    half = T_OF_3 * logits.std(ddof=1) / np.sqrt(3)
    return [1 / (1 + np.exp(-end)) for end in (logits.mean() - half, logits.mean() + half)]


def test_the_metrics_are_means_over_runs_with_students_interval(results, markdown):
    rows = by_heading(the(markdown, "U-Net: means"))
    values = np.array([100 * run.metrics["mean_iou"] for run in selected(results, "unet", "nas")])
    low, high = (100 * end for end in interval_of_3_fractions(values / 100))
    expected = f"{values.mean():.2f} ({low:.2f} to {high:.2f})"
    assert rows["U-Net + NAS"]["mean IoU, %"] == expected
    assert rows["U-Net + NAS"]["runs"] == "3" and rows["U-Net + random"]["runs"] == "6"
    drawn = [run.metrics["mean_hd95_organs"] for run in selected(results, "unet", "random")]
    told = rows["U-Net + random"]["foreground HD95, px"]
    assert number_in(told) == pytest.approx(np.mean(drawn), abs=0.006)
    assert (
        "search, min" in rows["U-Net, no discriminator"]
        and rows["U-Net, no discriminator"]["search, min"] == "–"
    )
    minutes = [run.retrain_epochs["seconds"].sum() / 60 for run in selected(results, "unet", "nas")]
    told = rows["U-Net + NAS"]["retraining, min"]
    assert number_in(told) == pytest.approx(np.mean(minutes), abs=0.06)


def test_the_csv_table_tells_the_same_in_fractions(folder, markdown):
    label = {"none": "U-Net, no discriminator", "mean_shape": "mean-mask baseline"}
    label |= {"all_background": "all-background baseline"}
    shown = by_heading(the(markdown, "U-Net: means"))
    rows = [row for row in read_csv(folder / "table.csv") if row["backbone"] == "unet"]
    assert [row["model"] for row in rows] == [*RUN_ARMS, "mean_shape", "all_background"]
    for row in rows:
        model = row["model"]
        cells = shown[label.get(model) or f"U-Net + {ARMS[model].label}"]
        for name, heading, scale in (
            ("mean_iou", "mean IoU, %", 100),
            ("mean_iou_organs", "foreground mean IoU, %", 100),
            ("mean_assd_organs", "foreground ASSD, px", 1),
        ):
            if row[name]:
                ends = (float(row[f"{name}{end}"]) * scale for end in ("", "_low", "_high"))
                low_to_high = cells[heading].replace("(", "").replace(")", "").split(" ")
                told = [low_to_high[0], low_to_high[1], low_to_high[3]]
                assert [number_in(text) for text in told] == pytest.approx(list(ends), abs=0.0051)
            else:
                assert cells[heading] == "–"


def test_the_baselines_and_the_papers_numbers_are_shown_too(markdown):
    for name, published in (("U-Net", "71.09"), ("FCN-32s", "75.27")):
        rows = by_heading(the(markdown, f"{name}: means"))
        column = "the paper's mIOU, % (Table 1)"
        assert rows[f"{name}, no discriminator"][column] == published
        assert rows["all-background baseline"]["mean IoU, %"].startswith("17.50")
        assert rows["mean-mask baseline"][column] == "not reported"


def test_the_best_of_each_metric_is_bold_the_baselines_included(tmp_path):
    # Below the mean-mask baseline, which is near 0.72.
    runs = [make_result(tmp_path, "unet", arm, 0, level=0.6) for arm in ("none", "nas")]
    write_report(tmp_path, runs, [], SETTINGS, 2)
    lines = (tmp_path / "report.md").read_text(encoding="utf-8").splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("| U-Net, no discriminator"))
    cells = [line.split("|")[3].strip() for line in lines[start : start + 4]]
    assert cells[:2] == ["60.00", "60.00"] and cells[2].startswith("**7")
    assert not cells[3].startswith("**")


def test_the_differences_are_those_of_the_cases(results, folder, markdown):
    first, second = (
        next(run for run in selected(results, "fcn32s", arm) if run.seed == 1).cases
        for arm in ("nas", "resnet10")
    )
    differences = np.array([first[name] - second[name] for name in first])
    (row,) = [
        row
        for row in read_csv(folder / "differences.csv")
        if (row["backbone"], row["first"], row["second"], row["seed"])
        == ("fcn32s", "nas", "resnet10", "1")
    ]
    assert float(row["mean_difference"]) == pytest.approx(differences.mean(), abs=1e-6)
    pairs = {cells[0] for cells in the(markdown, "FCN-32s: mean IoU of a")}
    assert {"no discriminator − mean-mask baseline", "NAS − mean-mask baseline"} <= pairs
    assert int(row["wins"]) == np.sum(differences > 0) and int(row["cases"]) == NUM_CASES
    (shown,) = [
        dict(zip(the(markdown, "FCN-32s: mean IoU of a")[0], cells, strict=True))
        for cells in the(markdown, "FCN-32s: mean IoU of a")
        if cells[:2] == ["NAS − ResNet10", "1"]
    ]
    told = shown["mean difference, points"]
    assert number_in(told) == pytest.approx(100 * differences.mean(), abs=0.006)
    assert shown["wins / losses"] == f"{row['wins']} / {row['losses']}"


def test_the_claims_are_told_alike_everywhere(results, folder, page):
    rows = [row for row in read_csv(folder / "claims.csv") if row["figure"] == "mean_iou"]
    of_mean_mask = [row for row in rows if row["second"] == "mean_shape"]
    assert [row["first"] for row in of_mean_mask] == [*RUN_ARMS] * 2
    rows = [row for row in rows if row not in of_mean_mask]
    assert len(rows) == 5 * len(BACKBONES)
    text = (folder / "report.md").read_text(encoding="utf-8")
    box = {row[0]: row[1:] for row in page.tables[""]}
    for row in rows:
        pairs = [
            [run.metrics["mean_iou"] for run in selected(results, row["backbone"], row[arm])]
            for arm in ("first", "second")
        ]
        by_seed = [np.reshape(values, (len(SEEDS), -1)).mean(axis=1) for values in pairs]
        points = 100 * (by_seed[0] - by_seed[1]).mean()
        assert 100 * float(row["mean_difference"]) == pytest.approx(points, abs=1e-3)
        told = f"{points:+.2f} points".replace("-", "−")
        (cells,) = [cells for name, cells in box.items() if name.startswith(row["claim"])]
        cell = cells[BACKBONES.index(row["backbone"])]
        assert told in cell and row["verdict"] in cell and "3 seeds" in cell
        entry = text[text.index(f"- **{row['claim']}**") :].split("\n- ")[0]
        name = {"unet": "U-Net", "fcn32s": "FCN-32s"}[row["backbone"]]
        (line,) = [line for line in entry.splitlines() if line.startswith(f"  - {name}: ")]
        assert told in line and f"**{row['verdict']}**" in line
    (nas,) = [row for row in rows if row["backbone"] == "fcn32s" and row["second"] == "resnet10"]
    assert float(nas["paper_difference"]) == pytest.approx(-0.0023)


def test_the_curves_are_means_with_their_bands(results, folder):
    rows = [
        row
        for row in read_csv(folder / "curves.csv")
        if (row["backbone"], row["arm"], row["figure"]) == ("unet", "nas", "test/mean_iou")
    ]
    assert [int(row["epoch"]) for row in rows] == list(range(1, EPOCHS + 1))
    values = [run.retrain_epochs["test/mean_iou"][2] for run in selected(results, "unet", "nas")]
    _, high = interval_of_3_fractions(np.array(values))
    assert float(rows[2]["mean"]) == pytest.approx(np.mean(values), abs=1e-6)
    assert float(rows[2]["high"]) == pytest.approx(high, abs=1e-6)
    assert rows[2]["band"] == "t95" and rows[2]["runs"] == "3"


def test_what_differs_from_the_papers_setting_is_bold(folder):
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "| --image\\_size | 512 | **64** |" in text
    assert "| --learning\\_rate | 0.0001 | 1e-4 |" in text
    assert "| --train\\_cases | 50 | – |" in text


def test_what_is_written_again_is_the_same(results, folder, tmp_path):
    write_report(tmp_path, results, [], SETTINGS, len(results))
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_nothing_finished_is_told_so(tmp_path):
    failed = [FailedRun("unet/seed_0/none", "No data.", "unet/log.txt")]
    page = Page(write_report(tmp_path, [], failed, SETTINGS, 12).read_text(encoding="utf-8"))
    assert "0 of 12 runs finished, 1 failed." in page.text
    assert "No run has finished yet" in page.text
    assert page.tables["Runs that failed."][1] == ["unet/seed_0/none", "No data.", "unet/log.txt"]
    assert not page.attributes("img")
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "No run has finished yet" in text and "| unet/seed\\_0/none | No data. |" in text
    assert read_csv(tmp_path / "table.csv") == []


def test_a_part_of_a_matrix_says_so_and_judges_what_it_can(tmp_path):
    runs = make_results(tmp_path, ("unet",), ("none", "resnet10"), (0,))
    settings = {"dataset": "phantom", "backbones": "unet,fcn32s"}
    page = Page(write_report(tmp_path, runs, [], settings, 24).read_text(encoding="utf-8"))
    assert "2 of 24 runs finished." in page.text and "finished runs only" in page.text
    box = page.tables[""]
    assert box[0] == ["claim", "U-Net", "FCN-32s"]
    assert "? undecided" in box[1][1] and "no interval, 1 seed" in box[1][1]
    assert all("– not run" in row[2] for row in box[1:])
    assert "the paper's mIOU" not in page.text and "paper: " not in page.text
    assert "α over the search" not in page.text
    assert "No band for a single run (no discriminator; ResNet10)." in page.text


def test_a_run_without_its_overlays_says_so(tmp_path):
    run = make_result(tmp_path, "unet", "none", 0)
    (run.workdir / "overlays.png").unlink()
    page = Page(write_report(tmp_path, [run], [], SETTINGS, 1).read_text(encoding="utf-8"))
    assert "no overlays.png" in page.text


def test_every_kind_of_arm_has_its_place(tmp_path):
    runs = make_results(tmp_path, ("unet",), tuple(ARMS), (0,))
    page = Page(write_report(tmp_path, runs, [], SETTINGS, len(runs)).read_text(encoding="utf-8"))
    rows = by_heading(the(page.tables, "U-Net: means"))
    for arm in ARMS.values():
        assert any(heading.endswith(arm.label) for heading in rows), arm


def test_what_cannot_be_written_is_a_storage_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        write_report(tmp_path / "file", [], [], SETTINGS, 0)


def test_versions_are_told_and_so_is_that_they_differ(tmp_path):
    runs = make_results(tmp_path, ("unet",), ("none", "resnet10"), (0,))
    write_report(tmp_path, runs, [], SETTINGS, 2)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "tensorflow 2.21.0" in text and "Not all runs had the same versions" not in text
    runs[1] = dataclasses.replace(runs[1], versions={"tensorflow": "2.22.0"})
    page = Page(write_report(tmp_path, runs, [], SETTINGS, 2).read_text(encoding="utf-8"))
    assert "Not all runs had the same versions" in page.text
    assert "tensorflow 2.21.0; tensorflow 2.22.0." in page.text


def test_the_papers_setting_is_called_another_only_where_it_is(tmp_path):
    runs = make_results(tmp_path, ("unet",), ("none",), (0,))
    for settings, differs in ((SETTINGS, True), (SETTINGS | {"image_size": "512"}, False)):
        page = Page(write_report(tmp_path, runs, [], settings, 1).read_text(encoding="utf-8"))
        assert ("Its setting differs" in page.text) == differs


def test_verdicts_are_counted_by_backbone(tmp_path):
    runs = make_results(tmp_path, ("unet",), ("none", "resnet10"), SEEDS)
    settings = SETTINGS | {"backbones": "unet,fcn32s"}
    page = Page(write_report(tmp_path, runs, [], settings, 12).read_text(encoding="utf-8"))
    told = "5 claims: with U-Net 1 held, 4 not run; with FCN-32s 5 not run."
    assert told in page.text
    box = {row[0]: row[1:] for row in page.tables[""]}
    (cells,) = [cells for name, cells in box.items() if name.startswith("The segmenter beats")]
    assert "? undecided" in cells[0] and "1 of 2 arms; the baseline" in cells[0]
    assert "contradicted: no discriminator" in cells[0] and "– not run" in cells[1]


def test_below_the_baselines_nothing_is_judged_and_a_banner_says_why(tmp_path):
    runs = [make_result(tmp_path, "unet", "none", seed, level=0.11) for seed in (0, 1)]
    runs += [make_result(tmp_path, "unet", "nas", seed, level=0.16) for seed in (0, 1)]
    runs += make_results(tmp_path, ("fcn32s",), ("none", "nas"), SEEDS)
    page = Page(write_report(tmp_path, runs, [], SETTINGS, len(runs)).read_text(encoding="utf-8"))
    banner = "Not judged: no arm beats the trivial baselines."
    assert banner in page.text[: page.text.index("5 claims:")]
    reason = "The best arm, U-Net + NAS, reaches a mean IoU of 16.00 %, the mean-mask baseline 7"
    assert reason in page.text and "The best arm, FCN-32s" not in page.text
    claim = "Adversarial training against the searched discriminator"
    (searched,) = [row for row in page.tables[""] if row[0].startswith(claim)]
    assert "– not judged" in searched[1] and "+5.00 points" in searched[1]
    assert "✓ held" in searched[2]
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert f"**{banner}** {reason}" in text
    # Greyed: neither a colour of a verdict nor the weight of one.
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert html.count('<td class="unjudged"><b class="badge not-judged">') == 1
    rows = [row for row in read_csv(tmp_path / "claims.csv") if row["backbone"] == "unet"]
    verdicts = {row["verdict"] for row in rows if (row["first"], row["second"]) == ("nas", "none")}
    assert verdicts == {"not judged"}


def test_a_glossary_explains_the_terms(page, folder):
    terms = ("Arm", "Point", "Mean-mask baseline", "Holm p", "Rank-biserial", "α")
    text = (folder / "report.md").read_text(encoding="utf-8")
    glossary = text[text.index("## Glossary") :]
    for term in terms:
        assert f"- **{term}**: " in glossary
        assert term in page.text[page.text.rindex("Glossary") :]
