import numpy as np
import pytest

from darts_adv_tf.data.augmentation import Augmentation
from darts_adv_tf.data.batches import BatchStream, batch_indices, epoch_ends
from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.data.preparation import Preparation

CASES = (2, 3, 5, 7, 11, 13, 17)


def test_every_case_occurs_once_per_pass_and_every_batch_is_full():
    # 7 cases in batches of 3: three passes end where batch 7 does.
    batches = [batch_indices(CASES, 3, seed=1, step=step) for step in range(7)]
    assert all(batch.shape == (3,) and batch.dtype == np.int64 for batch in batches)
    stream = np.concatenate(batches)
    passes = stream.reshape(3, 7)
    for one_pass in passes:
        assert sorted(one_pass) == list(CASES)
    assert not np.array_equal(passes[0], passes[1])


def test_a_batch_may_be_larger_than_the_number_of_cases():
    batch = batch_indices((4, 9), 5, seed=0, step=1)
    # Positions 5..9 of the stream: the second half of a pass, then two whole passes.
    assert sorted(batch[1:3]) == [4, 9]
    assert sorted(batch[3:5]) == [4, 9]


def test_a_batch_is_a_function_of_its_arguments():
    first = batch_indices(CASES, 4, seed=5, step=123456)
    batch_indices(CASES, 4, seed=5, step=0)
    np.testing.assert_array_equal(first, batch_indices(CASES, 4, seed=5, step=123456))
    streams = [
        np.concatenate([batch_indices(CASES, 4, seed=seed, step=step) for step in range(20)])
        for seed in (5, 6)
    ]
    assert not np.array_equal(*streams)


def test_streams_of_different_cases_are_not_in_lockstep():
    cases, others = np.arange(20), np.arange(20) + 20
    first, second = (batch_indices(part, 20, seed=0, step=0) for part in (cases, others))
    assert not np.array_equal(first + 20, second)


@pytest.mark.parametrize(
    "arguments", [((), 1, 0, 0), ((1, 2), 0, 0, 0), ((1, 2), 1, 0, -1)], ids=str
)
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match="Received"):
        batch_indices(*arguments)


def test_epochs_end_once_every_case_has_occurred_so_often():
    cases, batch_size = tuple(range(7)), 3
    assert epoch_ends(3, len(cases), batch_size) == [3, 5, 7]
    for epoch, done in enumerate(epoch_ends(3, len(cases), batch_size), start=1):
        for steps, is_over in ((done, True), (done - 1, False)):
            met = np.concatenate(
                [batch_indices(cases, batch_size, 0, step) for step in range(steps)]
            )
            assert (np.bincount(met, minlength=7).min() >= epoch) == is_over


def make_stream(augmentation=None):
    """Batches of three of the cases 1, 3, 4, 6, 7, each of which holds its own index."""
    places = np.arange(8, dtype=np.float32).reshape(8, 1, 1, 1)
    dataset = Dataset(
        name="test",
        class_names=tuple("abcdefgh"),
        cases=tuple("01234567"),
        images=np.tile(places, (1, 4, 4, 1)) / 10,
        labels=np.tile(places[..., 0], (1, 4, 4)).astype(np.uint8),
        preparation=Preparation(4),
    )
    return BatchStream(dataset, (1, 3, 4, 6, 7), 3, seed=2, augmentation=augmentation)


def test_a_stream_gives_the_cases_in_their_order():
    stream = make_stream()
    for step in range(6):
        images, labels = stream(step)
        expected = batch_indices((1, 3, 4, 6, 7), 3, seed=2, step=step)
        np.testing.assert_array_equal(labels[:, 0, 0], expected)
        np.testing.assert_allclose(images[:, 0, 0, 0], expected / 10, rtol=1e-6)
        assert images.dtype == np.float32 and labels.dtype == np.uint8


@pytest.mark.parametrize("steps", [[3, 4, 5, 6], [0, 5, 6, 1], [2, 2, 2]])
def test_a_stream_goes_on_from_any_step(steps):
    varied = Augmentation(shift=0.3, noise=0.1)
    from_the_start, stream = make_stream(varied), make_stream(varied)
    expected = {step: from_the_start(step) for step in range(8)}
    for step in steps:
        for received, wanted in zip(stream(step), expected[step], strict=True):
            np.testing.assert_array_equal(received, wanted)


def test_each_epoch_varies_a_case_anew():
    stream = make_stream(Augmentation(noise=0.1))
    images = [stream(step).images for step in range(10)]  # six passes over five cases
    noise = {tuple(image.ravel()) for batch in images for image in batch}
    assert len(noise) == 30


def test_augmentation_is_keyed_by_seed_epoch_and_case():
    keys = []

    def record(image, labels, key):
        keys.append(key)
        return image, labels

    stream = make_stream(record)
    for step in range(5):
        stream.make(step)
    assert sorted(keys) == [(2, epoch, case) for epoch in range(3) for case in (1, 3, 4, 6, 7)]


def test_a_stream_leaves_the_data_set_as_it_is():
    stream = make_stream(Augmentation(noise=0.5, flip=True))
    before = stream.dataset.images.copy()
    for step in range(5):
        stream(step).images[:] = 7
    np.testing.assert_array_equal(stream.dataset.images, before)


def test_what_goes_wrong_while_a_batch_is_made_reaches_training():
    def fail(image, labels, key):
        if key[1] == 1:
            raise RuntimeError("in epoch 1")
        return image, labels

    stream = make_stream(fail)
    stream(0)
    with pytest.raises(RuntimeError, match="in epoch 1"):
        stream(1)
