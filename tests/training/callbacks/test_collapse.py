"""What is a sign of collapse, when it is reported, and that a detector resumes exactly."""

import json
import math

import pytest

from darts_adv_tf.search_space.space import PUBLISHED_SPACE, SearchSpace
from darts_adv_tf.search_space.space import PUBLISHED_SPACE as SPACE
from darts_adv_tf.training.callbacks import Report, collapse
from darts_adv_tf.training.callbacks.collapse import (
    Collapse,
    CollapseDetector,
    CollapseWarnings,
    Thresholds,
    search_metrics,
)

# Sums of powers of two, so that a mean can lie exactly at a limit.
THRESHOLDS = Thresholds(
    edge_share=0.5, entropy_change=0.125, accuracy_margin=0.0625, iou_fall=0.25, window=4
)
START_ENTROPY = SPACE.largest_entropy
EDGE_KINDS = ("skip_connect/normal", "skip_connect/reduction", "none/normal", "none/reduction")


@pytest.fixture(autouse=True)
def short_searches(monkeypatch):
    """Lets searches of a few steps stand for longer ones."""
    monkeypatch.setattr(collapse, "SHORTEST_SEARCH", 1)


def detector(num_steps: int = 1000) -> CollapseDetector:
    return CollapseDetector(THRESHOLDS, num_steps)


def edges(kind: str, share: float) -> dict[str, float]:
    operation, cell = kind.split("/")
    return {f"alpha_{operation}_edges/{cell}": share}


def accuracy(real: float, fake: float) -> dict[str, float]:
    return {"accuracy/real": real, "accuracy/fake": fake}


def told(watch: CollapseDetector, series, first_step: int = 1) -> list[tuple[str, int]]:
    """Kind and step of the warnings in a series of one mapping a step."""
    return [
        (warning.kind, warning.step)
        for step, figures in enumerate(series, start=first_step)
        for warning in watch.observe(step, figures)
    ]


@pytest.mark.parametrize("kind", EDGE_KINDS)
@pytest.mark.parametrize(
    ("shares", "step"),
    [
        ([1.0, 1.0, 1.0], None),  # no whole window yet
        ([0.5, 0.5, 0.5, 0.5], None),  # at the limit
        ([0.25, 0.5, 0.5, 0.75], None),  # at the limit in the mean
        ([0.5, 0.5, 0.5, 0.5625], 4),
        ([1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0], 8),  # the last four alone count
    ],
)
def test_an_operation_on_more_than_its_share_of_edges_is_told(kind, shares, step):
    expected = [] if step is None else [(kind, step)]
    assert told(detector(), [edges(kind, share) for share in shares]) == expected


def test_other_figures_of_alpha_are_no_shares_of_edges():
    assert (
        told(detector(), [{"alpha_none/normal": 1.0, "alpha_skip_connect/normal": 1.0}] * 8) == []
    )


@pytest.mark.parametrize("cell", ["normal", "reduction"])
@pytest.mark.parametrize(
    ("change", "is_told"), [(-1e-7, True), (0.12, True), (0.13, False), (2.0, False)]
)
def test_an_entropy_that_has_hardly_fallen_by_the_half_is_told(cell, change, is_told):
    figures = {f"alpha_entropy/{cell}": START_ENTROPY - change}
    assert told(detector(num_steps=20), [figures] * 20) == [(f"entropy/{cell}", 10)] * is_told


@pytest.mark.parametrize(("num_steps", "is_told"), [(19, False), (20, True)])
def test_a_short_search_is_expected_to_decide_nothing(num_steps, is_told, monkeypatch):
    monkeypatch.undo()
    series = [{"alpha_entropy/normal": START_ENTROPY}] * num_steps
    assert told(detector(num_steps), series) == [("entropy/normal", 10)] * is_told


def test_an_entropy_fallen_by_just_the_limit_is_not_told():
    limits = Thresholds(0.5, START_ENTROPY - 1.5, 0.1, 0.1, window=4)
    figures = {"alpha_entropy/normal": 1.5}
    assert told(CollapseDetector(limits, num_steps=2), [figures] * 2) == []


def test_the_half_of_an_odd_number_of_steps_is_rounded_up():
    figures = {"alpha_entropy/normal": START_ENTROPY}
    assert told(detector(num_steps=7), [figures] * 7) == [("entropy/normal", 4)]


@pytest.mark.parametrize(
    ("real", "fake", "kinds"),
    [
        (1.0, 1.0, ["accuracy/one"]),
        (1.0, 0.875, ["accuracy/one"]),  # at the limit
        (1.0, 0.859375, []),
        (0.859375, 1.0, []),
        (0.75, 0.75, []),
        (1.0, 0.140625, []),
        (1.0, 0.125, ["accuracy/half"]),  # at the upper limit
        (1.0, 0.0, ["accuracy/half"]),
        (0.5, 0.375, ["accuracy/half"]),  # at the lower limit
        (0.5, 0.359375, []),
        (0.0, 0.0, []),
    ],
)
def test_an_accuracy_near_one_or_a_half_is_told(real, fake, kinds):
    series = [accuracy(real, fake)] * 4
    assert told(detector(), series) == [(kind, 4) for kind in kinds]


def test_the_accuracy_is_judged_by_its_mean_over_the_window():
    right, wrong = accuracy(1.0, 1.0), accuracy(0.0, 0.0)
    series = [right, wrong, right, wrong, right, right, right, right]
    assert told(detector(), series) == [("accuracy/half", 4), ("accuracy/one", 8)]


@pytest.mark.parametrize(
    ("values", "evaluation"),
    [
        ([0.75, 0.25], None),  # once is not enough
        ([0.75, 0.25, 0.25], 3),
        ([0.75, 0.5, 0.5], 3),  # at the limit
        ([0.75, 0.515625, 0.25], None),
        ([0.75, 0.25, 0.515625, 0.25], None),  # not one after the other
        ([0.25, 0.25, 0.25], None),
        ([0.5, 0.75, 0.5, 0.5], 4),  # the best counts, not the first
        ([0.75, 0.625, 0.375, 0.375], 4),  # the best counts, not the one before
    ],
)
def test_two_evaluations_in_a_row_below_the_best_are_told(values, evaluation):
    expected = [] if evaluation is None else [("val_iou", evaluation)]
    assert told(detector(), [{"val/mean_iou": value} for value in values]) == expected


def test_each_kind_is_told_by_itself():
    everything = {
        **{name: 1.0 for kind in EDGE_KINDS for name in edges(kind, 1.0)},
        **{f"alpha_entropy/{cell}": START_ENTROPY for cell in ("normal", "reduction")},
        **accuracy(1.0, 1.0),
    }
    found = told(detector(num_steps=2), [everything] * 12)
    early = [(f"entropy/{cell}", 1) for cell in ("normal", "reduction")]
    assert sorted(found) == sorted([*early, *((k, 4) for k in (*EDGE_KINDS, "accuracy/one"))])


HIGH, LOW = edges("none/normal", 1.0), edges("none/normal", 0.0)
BEST, FALLEN = {"val/mean_iou": 0.75}, {"val/mean_iou": 0.25}
UNDECIDED, DECIDED = {"alpha_entropy/normal": START_ENTROPY}, {"alpha_entropy/normal": 1.0}


@pytest.mark.parametrize(
    ("series", "steps"),
    [
        ([HIGH] * 20, [4]),
        ([*[HIGH] * 4, LOW, *[HIGH] * 9], [4]),
        # With the second low share the mean is down at the limit; then a whole window again.
        ([*[HIGH] * 4, *[LOW] * 2, *[HIGH] * 9], [4, 10]),
        ([BEST, *[FALLEN] * 6], [3]),
        ([BEST, *[FALLEN] * 2, BEST, FALLEN], [3]),
        ([BEST, *[FALLEN] * 2, BEST, *[FALLEN] * 3], [3, 6]),
        ([*[UNDECIDED] * 3, DECIDED, UNDECIDED], [1, 5]),
    ],
)
def test_a_kind_is_told_once_and_again_only_after_it_has_recovered(series, steps):
    assert [step for _, step in told(detector(num_steps=2), series)] == steps


def test_a_mean_that_passes_the_limit_to_and_fro_is_told_at_most_once_a_window():
    # The mean of four is 0.75, 0.75, 0.5 in turn.
    steps = [step for _, step in told(detector(), [HIGH, HIGH, LOW] * 20)]
    assert steps == list(range(4, 61, 6))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_figure_that_is_not_finite_changes_nothing(value):
    """Neither counted as a value nor taken for a sign or a recovery."""
    series = [
        *[HIGH | accuracy(1.0, 1.0)] * 2,
        edges("none/normal", value) | accuracy(value, 1.0),
        edges("none/normal", value) | accuracy(1.0, value),
        *[HIGH | accuracy(1.0, 1.0)] * 2,
        edges("none/normal", value) | accuracy(value, value),
        HIGH | accuracy(1.0, 1.0),
    ]
    assert told(detector(), series) == [("none/normal", 6), ("accuracy/one", 6)]
    ious = [BEST, FALLEN, {"val/mean_iou": value}, FALLEN, FALLEN]
    assert told(detector(), ious) == [("val_iou", 4)]
    entropies = [{"alpha_entropy/normal": value}, UNDECIDED, {"alpha_entropy/normal": value}]
    assert told(detector(num_steps=2), [*entropies, UNDECIDED]) == [("entropy/normal", 2)]


def test_absent_figures_are_silent_and_no_recovery():
    loss = {"loss/segmentation": 1.0}
    assert told(detector(num_steps=2), [loss, {}] * 10) == []
    assert told(detector(), [{"accuracy/real": 1.0}, {"accuracy/fake": 1.0}] * 10) == []
    assert told(detector(), [HIGH, HIGH, loss, HIGH, {}, HIGH, loss, HIGH]) == [("none/normal", 6)]


def test_a_step_and_the_evaluation_after_it_are_observed_with_one_number():
    observer = detector()
    found = []
    for step, iou in enumerate((0.75, 0.25, 0.25), start=1):
        found += observer.observe(step, HIGH)
        found += observer.observe(step, {"val/mean_iou": iou})
    found += observer.observe(4, HIGH)
    assert [(warning.kind, warning.step) for warning in found] == [
        ("val_iou", 3),
        ("none/normal", 4),
    ]


@pytest.mark.parametrize(
    ("series", "words"),
    [
        (
            [edges("skip_connect/reduction", 0.75)] * 4,
            ["reduction", "skip_connect", "0.75", "=0.5", "--search_epochs"],
        ),
        ([HIGH] * 4, ["normal", "none", " 1 ", "=0.5", "--architecture_learning_rate"]),
        (
            [{"alpha_entropy/reduction": START_ENTROPY - 0.0625}] * 500,
            ["reduction", "0.062", "=0.125", "raise --architecture_learning_rate"],
        ),
        ([accuracy(1.0, 0.9375)] * 4, ["0.9688", "=0.0625", "lower --discriminator_channels"]),
        ([accuracy(1.0, 0.0625)] * 4, ["0.5312", "=0.0625", "raise --discriminator_channels"]),
        ([BEST, FALLEN, FALLEN], ["0.5", "=0.25", "--adversarial_weight"]),
    ],
)
def test_a_message_is_one_line_with_number_limit_and_remedy(series, words):
    observer = detector()
    told(observer, series)
    (warning,) = observer.warnings
    assert "\n" not in warning.message
    for word in words:
        assert word in warning.message


def test_warnings_keeps_all_in_order():
    observer = detector()
    told(observer, [*[HIGH] * 4, *[LOW] * 4, *[HIGH | accuracy(1.0, 1.0)] * 4])
    assert [(w.kind, w.step) for w in observer.warnings] == [
        ("none/normal", 4),
        ("none/normal", 11),
        ("accuracy/one", 12),
    ]
    assert all(isinstance(warning, Collapse) for warning in observer.warnings)


# Every kind begins, some recover and begin again, at various steps.
LONG_SERIES = [
    (HIGH if step % 11 < 6 else LOW)
    | edges("skip_connect/reduction", (step % 13) / 13)
    | accuracy(1.0, 1.0 if step % 17 < 9 else 0.0)
    | {"alpha_entropy/normal": START_ENTROPY - step % 5 / 16}
    | {"val/mean_iou": 0.75 if step % 7 == 0 else 0.25}
    for step in range(40)
]


@pytest.mark.parametrize("stop", range(41))
def test_a_restored_watch_warns_as_if_it_had_never_stopped(stop):
    whole = detector(num_steps=30)
    told(whole, LONG_SERIES)
    first, second = detector(num_steps=30), detector(num_steps=30)
    told(first, LONG_SERIES[:stop])
    second.restore(json.loads(json.dumps(first.state(), allow_nan=False)))
    assert second.warnings == first.warnings
    told(second, LONG_SERIES[stop:], first_step=stop + 1)
    assert second.warnings == whole.warnings
    assert second.state() == whole.state()


def test_the_long_series_shows_what_a_watch_can_forget():
    whole = detector(num_steps=30)
    kinds = [kind for kind, _ in told(whole, LONG_SERIES)]
    for kind in ("none/normal", "skip_connect/reduction", "accuracy/one", "accuracy/half"):
        assert kind in kinds
    assert min(kinds.count(kind) for kind in ("none/normal", "entropy/normal", "val_iou")) >= 2


def test_a_state_does_not_change_with_its_detector():
    observer = detector()
    told(observer, [HIGH] * 3)
    state = observer.state()
    before = json.dumps(state)
    other = detector()
    other.restore(state)
    told(observer, [HIGH] * 3)
    told(other, [LOW] * 3)
    assert json.dumps(state) == before


def test_restoring_replaces_what_was_observed_before():
    observer = detector()
    told(observer, [*[HIGH] * 4, BEST])
    observer.restore(detector().state())
    assert observer.state() == detector().state()
    assert observer.warnings == ()


def changed(**changes) -> dict:
    """The state of a watch that has warned of `none/normal`, with other entries in places."""
    observer = detector()
    told(observer, [HIGH] * 5)
    return observer.state() | changes


def recent(kind: str, values: object) -> dict:
    return changed(recent=changed()["recent"] | {kind: values})


def warnings(**changes) -> dict:
    return changed(warnings=[changed()["warnings"][0] | changes])


def without(state: dict, key: str) -> dict:
    return {name: value for name, value in state.items() if name != key}


@pytest.mark.parametrize(
    "state",
    [
        None,
        [],
        {},
        "state",
        changed(other=1),
        *(without(changed(), key) for key in changed()),
        changed(best_mean_iou=math.nan),
        changed(best_mean_iou=math.inf),
        changed(best_mean_iou="0.5"),
        changed(best_mean_iou=None),
        changed(best_mean_iou=True),
        changed(best_mean_iou=10**400),
        changed(present=None),
        changed(present="none/normal"),
        changed(present=["none/normal", "none/normal"]),
        changed(present=["none/reduction"]),  # of which it has not warned
        changed(present=[["none/normal"]]),
        changed(recent=[]),
        changed(recent={}),
        changed(recent=changed()["recent"] | {"other": []}),
        recent("none/normal", 1.0),
        recent("none/normal", "1234"),
        recent("none/normal", [1.0] * 5),  # longer than the window
        recent("none/normal", [math.nan]),
        recent("none/normal", [math.inf]),
        recent("none/normal", ["1.0"]),
        recent("none/normal", [None]),
        recent("none/normal", [True]),
        recent("val_iou", [0.0] * 3),
        changed(warnings={}),
        changed(warnings=[], present=["none/normal"]),
        changed(warnings=["none/normal"]),
        changed(warnings=[{}]),
        warnings(kind="other") | {"present": []},
        warnings(kind=None) | {"present": []},
        warnings(kind=["none/normal"]) | {"present": []},
        warnings(step="4"),
        warnings(step=4.0),
        warnings(step=True),
        warnings(message=None),
        warnings(other=1),
    ],
)
def test_a_malformed_state_is_refused_and_changes_nothing(state):
    observer = detector()
    told(observer, [*[HIGH] * 4, BEST])
    before = observer.state()
    with pytest.raises(ValueError, match="Received: state="):
        observer.restore(state)
    assert observer.state() == before


def test_a_sound_state_is_what_the_malformed_ones_are_made_from():
    observer = detector()
    observer.restore(changed())
    assert observer.state() == changed()
    assert [warning.kind for warning in observer.warnings] == ["none/normal"]


def test_a_state_of_a_longer_window_is_refused():
    longer = CollapseDetector(Thresholds(0.5, 0.1, 0.1, 0.1, window=8), num_steps=100)
    told(longer, [HIGH] * 8)
    with pytest.raises(ValueError, match="the same window"):
        detector().restore(longer.state())


def test_a_step_without_a_metric_that_it_must_report_is_an_error():
    """So that a metric that was renamed on one side only does not silence its warning."""
    warnings = CollapseWarnings(detector(), required=["accuracy/real", "accuracy/fake"])
    warnings.on_step(Report(1, accuracy(1.0, 1.0)))
    with pytest.raises(KeyError, match="accuracy/fake"):
        warnings.on_step(Report(2, {"accuracy/real": 1.0, "accuracy/false": 1.0}))


def test_a_search_must_report_all_that_it_is_judged_by():
    names = search_metrics(PUBLISHED_SPACE, ("normal", "reduction"))
    assert sorted(names) == sorted(
        [
            *(name for kind in EDGE_KINDS for name in edges(kind, 1.0)),
            *("alpha_entropy/normal", "alpha_entropy/reduction"),
            *("accuracy/real", "accuracy/fake"),
        ]
    )
    # What does not exist is judged by nothing.
    assert not [name for name in search_metrics(PUBLISHED_SPACE, ("normal",)) if "reduc" in name]
    small = SearchSpace(("skip_connect", "sep_conv_3x3"))
    assert not [name for name in search_metrics(small, ("normal",)) if "none" in name]


def test_warnings_are_reported_and_kept():
    warnings = CollapseWarnings(detector(), required=())
    report = Report(1, BEST)
    warnings.on_epoch(1, report)
    for epoch in (2, 3):
        report = Report(epoch, FALLEN)
        warnings.on_epoch(epoch, report)
    ((tag, message),) = report.warnings
    assert tag == "collapse/val_iou" and "below its best" in message
    other = CollapseWarnings(detector(), required=())
    other.restore(json.loads(json.dumps(warnings.state())))
    assert other.state() == warnings.state() != CollapseWarnings(detector(), ()).state()
