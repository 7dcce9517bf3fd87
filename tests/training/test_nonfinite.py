"""A step with a figure that is not finite: of it nothing stays but the figures."""

import math
from functools import cache

import pytest
import tensorflow as tf

from darts_adv_tf.search_space.alpha import Architecture
from darts_adv_tf.training.adversarial_trainer import AdversarialTrainer
from darts_adv_tf.training.search_trainer import SearchTrainer
from darts_adv_tf.training.segmentation_trainer import SegmentationTrainer
from tests.adversarial.tiny_players import tiny_alpha, tiny_cases, tiny_game
from tests.training.taking import taking

# Powers of two, for rates are kept in float32.
LEARNING_RATE, ARCHITECTURE_LEARNING_RATE, UNROLL_RATE = 2.0**-5, 2.0**-3, 2.0**-4
NAN_CASE, INF_CASE, MARKED_CASE = 8, 9, 10
MARK = 0.125
IMAGES, LABELS = tiny_cases(11)
IMAGES[NAN_CASE] = math.nan
# A single pixel: tanh keeps the losses finite, and of all gradients that of theta alone is not.
IMAGES[INF_CASE, 2, 3, 1] = math.inf
IMAGES[MARKED_CASE, 0, 0, 0] = MARK
take = taking(IMAGES, LABELS)
TRAIN, VAL = [(0, 1), (2, 3)], [(4, 5), (6, 7)]
GRADIENT_MODES = ["exact", "finite_difference", "first_order"]


def make_trainer(kind, game=None):
    game = game or tiny_game()
    data = {
        "strategy": tf.distribute.OneDeviceStrategy("CPU:0"),
    }
    if kind == "segmentation":
        return SegmentationTrainer(game.segmenter, LEARNING_RATE, global_batch_size=2, **data)
    if kind == "adversarial":
        return AdversarialTrainer(game, LEARNING_RATE, **data)
    architecture = Architecture(dtype="float64")
    for variable, scores in zip(architecture.variables, tiny_alpha(), strict=True):
        variable.assign(scores)
    rates = LEARNING_RATE, ARCHITECTURE_LEARNING_RATE, kind, UNROLL_RATE
    return SearchTrainer(game, architecture, *rates, **data)


def state_of(trainer):
    """Every variable of every model and optimizer, as bytes."""
    if isinstance(trainer, SegmentationTrainer):
        parts = {"segmenter": trainer.segmenter}
    else:
        parts = {"segmenter": trainer.game.segmenter, "discriminator": trainer.game.discriminator}
    parts |= {name: part for name, part in vars(trainer).items() if name.endswith("optimizer")}
    if isinstance(trainer, SearchTrainer):
        parts["architecture"] = trainer.architecture
    return {
        f"{name}/{index}": variable.numpy().tobytes()
        for name, part in parts.items()
        for index, variable in enumerate(part.variables)
    }


def changed(before, after):
    return [name for name in before if before[name] != after[name]]


def broken(figures):
    return {name for name, value in figures.items() if not math.isfinite(value)}


def good_steps(kind):
    batches = zip(TRAIN, VAL, strict=True)
    return [cases if kind in GRADIENT_MODES else cases[:1] for cases in batches]


@cache
def steps_alone(kind):
    """What the good steps report and leave, in a trainer that makes no other."""
    trainer = make_trainer(kind)
    return [(trainer.step(*take(*cases)), state_of(trainer)) for cases in good_steps(kind)]


def bad_steps(kind):
    train, val = TRAIN[0], VAL[0]
    steps = {
        "nan in training": ((NAN_CASE, train[1]), val),
        "inf in training": ((train[0], INF_CASE), val),
    }
    if kind not in GRADIENT_MODES:
        return {name: cases[:1] for name, cases in steps.items()}
    return steps | {
        "nan in validation": (train, (val[0], NAN_CASE)),
        "nan in both": ((NAN_CASE, train[1]), (NAN_CASE, val[1])),
    }


@pytest.mark.parametrize("kind", ["segmentation", "adversarial", *GRADIENT_MODES])
def test_a_step_that_is_not_finite_leaves_no_trace(kind):
    trainer = make_trainer(kind)
    # Before any good step too, where moments are zero.
    for cases, (figures, state) in zip(good_steps(kind), steps_alone(kind), strict=True):
        before = state_of(trainer)
        for name, bad_cases in bad_steps(kind).items():
            assert broken(trainer.step(*take(*bad_cases))), name
            assert not changed(before, state_of(trainer)), name
        assert trainer.step(*take(*cases)) == figures
        assert not changed(state, state_of(trainer))
        assert len(changed(before, state)) > len(state) / 2


@pytest.mark.parametrize("kind", ["adversarial", "first_order"])
def test_a_gradient_alone_is_reason_enough(kind):
    # In first order the update of alpha succeeds: it looks at the validation batch alone.
    figures = make_trainer(kind).step(*take(*bad_steps(kind)["inf in training"]))
    assert broken(figures) == {"gradient_norm/segmenter"}


def failing_game(failing):
    """A game of which one gradient or loss is nan in the marked batch at an alpha that moved.

    So the virtual step is as ever, and what fails does so after alpha's update.
    """
    game = tiny_game()
    training_gradients = game.training_gradients

    def with_failure(theta, phi, alpha, batch, segmenter_pass=None):
        result = training_gradients(theta, phi, alpha, batch, segmenter_pass)
        moved = tf.reduce_any(alpha[0] != tiny_alpha()[0])
        fails = tf.reduce_any(batch.images == MARK) & moved
        poison = tf.where(fails, tf.constant(math.nan, tf.float64), 0)
        if failing in result._fields:
            # The last one: nothing that looks at the first gradient only will notice.
            *others, last = getattr(result, failing)
            return result._replace(**{failing: [*others, last + poison]})
        loss = getattr(result.losses, failing) + poison
        return result._replace(losses=result.losses._replace(**{failing: loss}))

    game.training_gradients = with_failure
    return game


@pytest.mark.parametrize(
    ("failing", "figure"),
    [
        ("grad_theta", "gradient_norm/segmenter"),
        ("grad_phi", "gradient_norm/discriminator"),
        ("segmentation", "loss/segmentation"),
        ("discriminator", "loss/discriminator"),
    ],
)
def test_alpha_goes_back_where_the_players_cannot_follow(failing, figure):
    trainer = make_trainer("exact", failing_game(failing))
    before = state_of(trainer)
    figures = trainer.step(*take((MARKED_CASE, 1), VAL[0]))
    assert broken(figures) == {figure}
    assert not changed(before, state_of(trainer))
    for cases, (figures, state) in zip(good_steps("exact"), steps_alone("exact"), strict=True):
        assert trainer.step(*take(*cases)) == figures
        assert not changed(state, state_of(trainer))
