"""What tables, claims and CSV files show is what was computed: each number in its own place."""

import csv
import dataclasses

import numpy as np
import pytest
from scipy import stats

from darts_adv_tf.reproduction.comparison import compare_cases, pairs_among
from darts_adv_tf.reproduction.report import claim_rows, tables
from darts_adv_tf.reproduction.report.content import gather
from darts_adv_tf.reproduction.report.csv_files import csv_files
from darts_adv_tf.reproduction.report.formatting import bounds, number, probability
from darts_adv_tf.reproduction.stability import stability
from darts_adv_tf.reproduction.statistics import Interval
from darts_adv_tf.search_space.candidate_operations import PUBLISHED_OPERATIONS
from darts_adv_tf.search_space.space import PUBLISHED_SPACE as SPACE
from tests.reproduction.report.reading import number_in
from tests.reproduction.results import make_result, make_results

BACKBONES = ("unet", "fcn32s")
SETTINGS = {"dataset": "cx_seg"}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return make_results(folder, BACKBONES, ("none", "resnet10", "nas"), (0, 1, 2))


@pytest.fixture(scope="module")
def content(results):
    return gather(results, [], SETTINGS, len(results))


def read(content, name):
    return list(csv.DictReader(csv_files(content)[name].splitlines()))


def texts(cells):
    return [cell.text for cell in cells]


def test_each_difference_is_told_with_its_own_statistics(results, content):
    found = compare_cases(results)
    names = ("low", "high", "p_wilcoxon", "p_holm", "rank_biserial")
    for each, row in zip(found, read(content, "differences.csv"), strict=True):
        told = each.statistics
        assert (row["first"], row["second"], row["seed"]) == (
            *(each.first, each.second),
            str(each.seed),
        )
        expected = (told.low, told.high, told.p_value, each.p_holm, told.effect_size)
        assert [float(row[name]) for name in names] == pytest.approx(expected, rel=1e-4)
    shown = [row for name in BACKBONES for row in tables.differences_table(content, name).rows]
    # A pair's seeds below each other.
    pairs = pairs_among(run.arm for run in results)
    found.sort(
        key=lambda each: (
            BACKBONES.index(each.backbone),
            pairs.index((each.first, each.second)),
            each.seed,
        )
    )
    for each, (_, cells) in zip(found, shown, strict=True):
        told = each.statistics
        assert texts(cells)[:2] == [str(each.seed), str(told.num_cases)]
        assert texts(cells)[3] == bounds(Interval(told.mean, told.low, told.high, 12), 100, 2, True)
        assert texts(cells)[5:] == [
            probability(told.p_value),
            probability(each.p_holm),
            number(told.effect_size, signed=True),
        ]
        assert [cell.is_best for cell in cells] == [False] * 6 + [each.p_holm < 0.05, False]
    assert any(each.statistics.p_value < 0.05 <= each.p_holm for each in found)


def test_the_genotypes_are_told_as_they_were_compared(results, content):
    expected = [(each, kind) for each in stability(results) for kind in ("normal", "reduction")]
    rows, shown = read(content, "stability.csv"), tables.stability_table(content).rows
    names = ("same_edge", "same_edge_by_chance", "same_operation", "same_operation_by_chance")
    for (each, kind), row, (_, cells) in zip(expected, rows, shown, strict=True):
        edges, operations = each.agreement[kind]
        shares = [edges, each.chance.edges, operations, each.chance.operations]
        assert (row["backbone"], row["cell"], row["seeds"]) == (each.backbone, kind, "3")
        assert [float(row[name]) for name in names] == pytest.approx(shares, rel=1e-5)
        counts = {name: int(row[name]) for name in each.operations[kind]}
        assert counts == each.operations[kind] and sum(counts.values()) == 3 * 8
        assert texts(cells)[:2] == [kind, "3"]
        assert [number_in(text) for text in texts(cells)[2:6]] == pytest.approx(shares, abs=0.0051)
        told = dict(part.split(" ") for part in cells[6].text.split(", "))
        assert told == {name: str(count) for name, count in counts.items() if count}


def test_alpha_is_told_as_it_ended(results, content):
    searched = [
        run for name in BACKBONES for run in results if (run.backbone, run.arm) == (name, "nas")
    ]
    for run, (_, cells) in zip(searched, tables.alpha_table(content).rows, strict=True):
        seed, *told = texts(cells)
        assert seed == str(run.seed)
        for weights, entropy, strongest in zip(run.alpha[-1], told[::2], told[1::2], strict=True):
            entropies = stats.entropy(weights, axis=1) / SPACE.largest_entropy
            assert number_in(entropy) == pytest.approx(entropies.mean(), abs=6e-4)
            name, weight = strongest.split(" ")
            means = dict(zip(PUBLISHED_OPERATIONS, weights.mean(axis=0), strict=True))
            assert means[name] == max(means.values()) == pytest.approx(float(weight), abs=6e-4)


def test_the_cost_of_the_search_is_told_compared_with_no_discriminator(tmp_path):
    none, nas = make_results(tmp_path, ("unet",), ("none", "nas"), (0,))
    none = dataclasses.replace(none, retrain_epochs={"seconds": np.array([60.0, 60.0])})
    nas = dataclasses.replace(
        nas,
        search_epochs={"seconds": np.array([600.0])},
        retrain_epochs={"seconds": np.array([180.0])},
    )
    content = gather([none, nas], [], SETTINGS, 2)

    assert {heading: texts(cells) for heading, cells in tables.cost_table(content).rows} == {
        "U-Net, no discriminator": ["–", "2.0", "2.0", "–", "1.0"],
        "U-Net + NAS": ["10.0", "3.0", "13.0", "3.3", "6.5"],
    }
    seconds = [
        (row["search_seconds"], row["retrain_seconds"]) for row in read(content, "table.csv")
    ]
    assert seconds[:2] == [("0", "120"), ("600", "180")]


def test_the_best_distance_is_the_smallest(tmp_path):
    # A mean IoU of 0.6 has distances of 11 and 3 pixels, the mean-mask baseline of 9.5 and 3.25.
    runs = [make_result(tmp_path, "unet", arm, 0, level=0.6) for arm in ("none", "nas")]
    rows = tables.metrics_table(gather(runs, [], SETTINGS, 2), "unet").rows
    for column, best in (
        (3, {"mean-mask baseline"}),
        (4, {"U-Net, no discriminator", "U-Net + NAS"}),
    ):
        bold = {heading for heading, cells in rows if cells[column].is_best}
        assert bold and bold <= best


def test_a_claim_is_told_by_the_metric_it_is_judged_by(tmp_path):
    """The foreground classes, which contradict it, are noted and decide nothing."""
    levels = {"none": (0.8, 0.9), "resnet10": (0.9, 0.4)}
    runs = [
        dataclasses.replace(
            run,
            metrics=run.metrics
            | {
                "mean_iou": levels[run.arm][0] + 0.001 * run.seed * (run.arm == "none"),
                "mean_iou_organs": levels[run.arm][1],
            },
        )
        for run in make_results(tmp_path, ("unet",), ("none", "resnet10"), (0, 1))
    ]
    content = gather(runs, [], SETTINGS, 4)

    assert claim_rows.overview(content) == "5 claims: with U-Net 1 held, 4 not run."
    row = claim_rows.claim_rows(content)[0]
    assert row.sentence == "Held with U-Net." and row.text == content.claims[0].text
    assert row.cells == [
        claim_rows.ClaimCell(
            "U-Net",
            "held",
            "+9.95 points",
            "95 % interval +9.31 to +10.58, 2 seeds",
            "foreground classes only: −50.00, contradicted; paper: +8.23",
        )
    ]
    assert claim_rows.unjudged(content) == []
    first = read(content, "claims.csv")[0]
    # Differences 0.099 and 0.1, whose Fisher's z are 0.0993253 and 0.1003353; t of 1 degree of
    # freedom is 12.7062, so that z of the ends is 0.0998303 ± 12.7062 · 0.000505.
    bounds_told = [float(first[name]) for name in ("low", "mean_difference", "high")]
    assert bounds_told == pytest.approx([0.093143, 0.0995, 0.105849], abs=1e-6)


@pytest.mark.parametrize(
    ("above", "verdict", "count", "others"),
    [
        ((0.2, 0.1), "held", "2 of 2 arms", ""),
        ((0.2, -0.1), "undecided", "1 of 2 arms", "contradicted: NAS"),
        ((-0.2, -0.1), "contradicted", "0 of 2 arms", "contradicted: no discriminator, NAS"),
    ],
)
def test_arms_are_held_against_the_mean_mask(tmp_path, above, verdict, count, others):
    def level_of(run):
        return run.metrics["baselines"]["mean_shape"]["mean_iou"]

    # Of another backbone, and so of another level.
    runs = [make_result(tmp_path, "fcn32s", "none", 0)]
    levels = [level_of(make_result(tmp_path, "unet", "none", seed)) for seed in (0, 1)]
    runs += [
        make_result(tmp_path, "unet", arm, seed, level=level + more)
        for seed, level in enumerate(levels)
        for arm, more in zip(("none", "nas"), above, strict=True)
    ]
    assert level_of(runs[0]) != pytest.approx(np.mean(levels), abs=1e-4)

    fcn32s, found = claim_rows.mean_mask_row(gather(runs, [], SETTINGS, 5)).cells

    told = f"{count}; the baseline reaches {100 * np.mean(levels):.2f} %"
    assert found == ("U-Net", verdict, "", told, others) and fcn32s.backbone == "FCN-32s"


def test_a_probability_has_two_digits():
    told = [probability(value) for value in (9e-5, 0.00234, 0.0234, 1.0, float("nan"))]
    assert told == ["< 0.0001", "0.0023", "0.023", "1.000", "–"]
