import numpy as np

from darts_adv_tf.serving.largest_component import keep_largest_component


def labels_of(*rows: str) -> np.ndarray:
    return np.array([[int(digit) for digit in row] for row in rows], np.uint8)


def test_the_largest_piece_of_each_class_stays():
    labels = labels_of(
        "110020",
        "110000",
        "000022",
        "100322",
    )
    expected = labels_of(
        "110000",
        "110000",
        "000022",
        "000322",
    )
    np.testing.assert_array_equal(keep_largest_component(labels), expected)


def test_pixels_that_touch_at_a_corner_are_connected():
    labels = labels_of("1001", "0101", "0010")
    np.testing.assert_array_equal(keep_largest_component(labels), labels)


def test_of_two_pieces_of_one_size_the_first_stays():
    # Row by row: the right one begins higher up.
    labels = labels_of("0001", "1001", "1000")
    np.testing.assert_array_equal(keep_largest_component(labels), labels_of("0001", "0001", "0000"))


def test_labels_without_an_organ_stay_and_nothing_is_changed_in_place():
    background = np.zeros((1, 5), np.uint8)
    np.testing.assert_array_equal(keep_largest_component(background), background)
    labels = labels_of("10111")
    keep_largest_component(labels)
    np.testing.assert_array_equal(labels, labels_of("10111"))


def test_it_agrees_with_a_flood_fill_written_out():
    labels = (np.random.default_rng(0).random((40, 30)) < 0.35).astype(np.uint8)
    best, seen = set(), set()
    for start in map(tuple, np.argwhere(labels)):
        piece, pending = set(), [start]
        while pending:
            row, column = pending.pop()
            if (row, column) in seen or not labels[row, column]:
                continue
            seen.add((row, column))
            piece.add((row, column))
            pending += [
                (r, c)
                for r in range(max(row - 1, 0), min(row + 2, 40))
                for c in range(max(column - 1, 0), min(column + 2, 30))
            ]
        if len(piece) > len(best):
            best = piece
    assert set(map(tuple, np.argwhere(keep_largest_component(labels)))) == best
    assert len(best) < labels.sum()
