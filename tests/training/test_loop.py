"""The loop: the order of steps and epochs, what it reports, what it refuses."""

import math

import pytest

from darts_adv_tf.errors import NonFiniteError
from darts_adv_tf.training.loop import run_epochs


class Notes:
    """Stands where the monitor does and keeps what it is given."""

    def __init__(self):
        self.kept = []

    def scalars(self, step, figures):
        self.kept.append((step, dict(figures)))


def run(step, events=None, epoch_ends=(3, 6)):
    notes = Notes()
    events = [] if events is None else events
    run_epochs(
        "search",
        step,
        epoch_ends,
        notes,
        lambda *done: events.append(("epoch", *done)),
        shown=("loss/segmentation",),
    )
    return notes


def test_steps_count_from_0_and_every_epoch_ends_once():
    events = []

    def step(number):
        events.append(number)
        return {"loss/segmentation": 1.0}

    run(step, events)
    assert events == [0, 1, 2, ("epoch", 1, 3), 3, 4, 5, ("epoch", 2, 6)]


def test_figures_reach_the_monitor_and_the_screen(capsys):
    notes = run(lambda number: {"loss/segmentation": number / 8, "other": 2.0}, epoch_ends=[3])
    for _, figures in notes.kept:
        assert figures.pop("seconds/step") >= 0
    assert notes.kept == [
        (number + 1, {"loss/segmentation": number / 8, "other": 2.0}) for number in range(3)
    ]
    shown = "".join(capsys.readouterr())
    assert "search" in shown and "segmentation=0.25" in shown and "other" not in shown


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_figure_that_is_not_finite_ends_training(value, capsys):
    def step(number):
        broken = value if number == 4 else 0.5
        return {"loss/segmentation": 1.0, "gradient_norm/segmenter": broken}

    with pytest.raises(NonFiniteError) as caught:
        run(step)
    message = str(caught.value)
    assert f"gradient_norm/segmenter={value} in step 5 of search" in message
    assert "loss/segmentation" not in message
    assert "Remedy: Lower --learning_rate" in message
    assert caught.value.exit_status == 4
