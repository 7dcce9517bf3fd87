import dataclasses
import errno
import os

import numpy as np
import pytest

from darts_adv_tf.data.chest import CLASS_NAMES
from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.data.preparation import Preparation
from darts_adv_tf.data.split import (
    ListedCases,
    Split,
    read_cases_csv,
    split_at_random,
    split_by_source,
    split_into_folds,
    write_cases_csv,
)
from darts_adv_tf.system.errors import ConfigurationError, DataError, StorageError


def one_each(num_cases):
    return [f"patient {index}" for index in range(num_cases)]


def make_dataset(cases):
    return Dataset(
        name="test",
        class_names=CLASS_NAMES,
        cases=tuple(cases),
        images=np.zeros((len(cases), 2, 2, 1), np.float32),
        labels=np.zeros((len(cases), 2, 2), np.uint8),
        preparation=Preparation(2),
    )


@pytest.mark.parametrize("num_cases, train_cases", [(3, 2), (10, 5), (40, 32)])
def test_the_parts_are_disjoint_and_complete(num_cases, train_cases):
    split = split_at_random(one_each(num_cases), train_cases, seed=3)
    everyone = split.train + split.val + split.test
    assert sorted(everyone) == list(range(num_cases))
    assert len(split.train) == (train_cases + 1) // 2
    assert len(split.val) == train_cases // 2
    assert split.train_and_val == tuple(sorted(split.train + split.val))
    assert all(list(part) == sorted(part) for part in (split.train, split.val, split.test))
    assert all(type(index) is int for index in everyone)


def test_the_seed_decides_the_split():
    assert split_at_random(one_each(50), 20, seed=1) == split_at_random(one_each(50), 20, seed=1)
    assert split_at_random(one_each(50), 20, seed=1) != split_at_random(one_each(50), 20, seed=2)


def test_a_larger_training_set_holds_the_smaller_one():
    small, large = (
        split_at_random(one_each(50), 10, seed=1),
        split_at_random(one_each(50), 20, seed=1),
    )
    assert set(small.train_and_val) < set(large.train_and_val)


def test_too_few_training_cases_are_a_wrong_flag():
    with pytest.raises(ConfigurationError, match="train_cases=1") as caught:
        split_at_random(one_each(10), 1, seed=0)
    assert caught.value.exit_status == 2
    assert caught.value.remedy


def test_a_data_set_without_a_test_case_is_too_small():
    with pytest.raises(DataError, match="train_cases=10 of 10 cases") as caught:
        split_at_random(one_each(10), 10, seed=0)
    assert caught.value.exit_status == 3
    assert caught.value.remedy


def test_the_list_of_cases_comes_back(tmp_path):
    dataset = make_dataset(["b", 'a,"quoted"', "c", "d"])
    split = Split(train=(2,), val=(1,), test=(0, 3))
    write_cases_csv(tmp_path / "cases.csv", dataset, split)
    text = (tmp_path / "cases.csv").read_text()
    assert text == 'case,split\nb,test\n"a,""quoted""",val\nc,train\nd,test\n'
    assert read_cases_csv(tmp_path / "cases.csv", dataset) == split
    assert [path.name for path in tmp_path.iterdir()] == ["cases.csv"]


@pytest.mark.parametrize(
    "text, told",
    [
        ("", "line 1: "),
        ("case split\na test\n", "line 1: case split"),
        ("case;split\na;test\n", "1 case(s) missing, the first is b"),
        ("case,split\na,train\nb,exam\n", "line 3: b,exam"),
        ("case,split\na,train\nb\n", "line 3: b"),
        ("case,split\na,train\nx,val\n", "case x, which the data set does not hold"),
        ("case,split\na,train\na,val\nb,test\n", "line 3: case a for the second time"),
        ("case,split\nb,train\n", "1 case(s) missing, the first is a"),
    ],
)
def test_a_malformed_list_of_cases_is_refused(tmp_path, text, told):
    path = tmp_path / "cases.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_cases_csv(path, make_dataset(["a", "b"]))
    assert told in str(caught.value.received)
    assert caught.value.file == path
    assert caught.value.remedy


def test_an_absent_list_of_cases_is_refused(tmp_path):
    with pytest.raises(DataError, match=os.strerror(errno.ENOENT)):
        read_cases_csv(tmp_path / "cases.csv", make_dataset(["a"]))


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError) as caught:
        write_cases_csv(tmp_path / "file" / "cases.csv", make_dataset(["a"]), Split((0,), (), ()))
    assert caught.value.exit_status == 6


def test_a_split_drawn_by_version_1_of_this_program_is_drawn_still():
    # As recorded in the cases.csv of runs, so that they can be repeated from their flags.
    order = np.random.default_rng(3).permutation(10).tolist()
    split = split_at_random(one_each(10), 5, seed=3)
    assert split.train == tuple(sorted(order[:3]))
    assert split.val == tuple(sorted(order[3:5]))


# Three patients with four cases each, two with one each, eight with two.
PATIENTS = ["a", "b", "c"] * 4 + ["d", "e"] + [f"pair {index // 2}" for index in range(16)]


def all_splits():
    for seed in range(20):
        yield split_at_random(PATIENTS, 12, seed)
        for fold in range(4):
            yield split_into_folds(PATIENTS, 4, fold, seed)
        folds = ["two" if patient in "abd" else "one" for patient in PATIENTS]
        yield split_by_source(PATIENTS, folds, seed % 2, seed)


def test_a_patient_is_never_divided():
    for split in all_splits():
        sides = [
            {PATIENTS[index] for index in part} for part in (split.train, split.val, split.test)
        ]
        assert sum(map(len, sides)) == len(set(PATIENTS))
        assert sorted(split.train + split.val + split.test) == list(range(len(PATIENTS)))
        assert all(sides)


def test_patients_fill_the_training_cases_up_as_far_as_they_fit():
    for seed in range(20):
        split = split_at_random(PATIENTS, 12, seed)
        assert len(split.train) == len(split.val) == 6


def test_over_all_folds_each_case_is_tested_once():
    patients = one_each(11)
    tested = [split_into_folds(patients, 3, fold, seed=1).test for fold in range(3)]
    assert sorted(sum(tested, ())) == list(range(11))
    assert sorted(map(len, tested)) == [3, 4, 4]
    assert tested != [split_into_folds(patients, 3, fold, seed=2).test for fold in range(3)]


def test_the_training_cases_of_a_fold_are_halved():
    split = split_into_folds(one_each(20), 4, 1, seed=0)
    assert [len(part) for part in (split.train, split.val, split.test)] == [8, 7, 5]


def test_more_folds_than_patients_are_refused():
    with pytest.raises(DataError, match="--num_folds=14, 13 patients"):
        split_into_folds(PATIENTS, 14, 0, seed=0)


def test_the_folds_of_a_source_are_taken_in_the_order_of_their_names():
    folds = ["fold2", "fold1", "fold2", "fold1", "fold2", "fold2"]
    assert split_by_source(one_each(6), folds, 0, seed=0).test == (1, 3)
    split = split_by_source(one_each(6), folds, 1, seed=0)
    assert split.test == (0, 2, 4, 5)
    assert (len(split.train), len(split.val)) == (1, 1)


@pytest.mark.parametrize("folds, fold", [([], 0), (["a", "b"] * 3, 2)])
def test_a_source_without_such_a_fold_is_refused(folds, fold):
    with pytest.raises(ConfigurationError, match=f"--fold={fold}"):
        split_by_source(one_each(6), folds, fold, seed=0)


@pytest.mark.parametrize("train_cases", [2, 3])
def test_a_part_without_a_case_is_refused(train_cases):
    patients = ["a"] * 4 + ["b"] * 4
    with pytest.raises(DataError, match="no train case"):
        split_at_random(patients, train_cases, seed=0)


def listed(tmp_path, text):
    (tmp_path / "mine.csv").write_text(text, encoding="utf-8")
    return ListedCases.read(tmp_path / "mine.csv")


def test_a_table_of_ones_own_is_kept_as_it_is(tmp_path):
    table = listed(tmp_path, "\ufeffcase,split,patient\nc,val,p\na,train,q\nb,test,q\n")
    assert table.patients == {"c": "p", "a": "q", "b": "q"}
    split = table.split(make_dataset("abc"), seed=0)
    assert split == Split(train=(0,), val=(2,), test=(1,))


def test_a_table_without_val_has_its_training_cases_halved_by_patient(tmp_path):
    lines = [f"{name},{'test' if name in 'gh' else 'train'}" for name in "abcdefgh"]
    table = listed(tmp_path, "case,split\n" + "\n".join(lines))
    dataset = make_dataset("abcdefgh")
    split = table.split(dataset, seed=0)
    assert split.test == (6, 7)
    assert len(split.train) == len(split.val) == 3
    patients = dataclasses.replace(dataset, patients=tuple("xxxyyyzz"))
    halves = table.split(patients, seed=0)
    assert {halves.train, halves.val} == {(0, 1, 2), (3, 4, 5)}


def test_a_table_with_a_patient_column_is_read_by_each_row(tmp_path):
    with pytest.raises(DataError, match="line 2: a,train"):
        listed(tmp_path, "case,split,patient\na,train\n")


@pytest.mark.parametrize(
    "content", [b"case,split\na,tr\0ain\n", b"\xff\xfecase", b'case,split\n"a']
)
def test_bytes_that_are_no_table_are_refused(tmp_path, content):
    (tmp_path / "mine.csv").write_bytes(content)
    with pytest.raises(DataError) as caught:
        ListedCases.read(tmp_path / "mine.csv")
    assert caught.value.file == tmp_path / "mine.csv"
