import numpy as np
import pytest

from darts_adv_tf.data.batches import batch_indices, epoch_ends

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
