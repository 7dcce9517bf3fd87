import errno
import os

import numpy as np
import pytest

from darts_adv_tf.data.dataset import CLASS_NAMES, Dataset
from darts_adv_tf.data.split import Split, read_cases_csv, split_cases, write_cases_csv
from darts_adv_tf.errors import ConfigurationError, DataError, StorageError


def make_dataset(cases):
    return Dataset(
        name="test",
        class_names=CLASS_NAMES,
        cases=tuple(cases),
        images=np.zeros((len(cases), 2, 2, 1), np.float32),
        labels=np.zeros((len(cases), 2, 2), np.uint8),
        intensity_maximum=255.0,
    )


@pytest.mark.parametrize("num_cases, train_cases", [(3, 2), (10, 5), (40, 32)])
def test_the_parts_are_disjoint_and_complete(num_cases, train_cases):
    split = split_cases(num_cases, train_cases, seed=3)
    everyone = split.train + split.val + split.test
    assert sorted(everyone) == list(range(num_cases))
    assert len(split.train) == (train_cases + 1) // 2
    assert len(split.val) == train_cases // 2
    assert split.training == tuple(sorted(split.train + split.val))
    assert all(list(part) == sorted(part) for part in (split.train, split.val, split.test))
    assert all(type(index) is int for index in everyone)


def test_the_seed_decides_the_split():
    assert split_cases(50, 20, seed=1) == split_cases(50, 20, seed=1)
    assert split_cases(50, 20, seed=1) != split_cases(50, 20, seed=2)


def test_a_larger_training_set_holds_the_smaller_one():
    small, large = split_cases(50, 10, seed=1), split_cases(50, 20, seed=1)
    assert set(small.training) < set(large.training)


def test_too_few_training_cases_are_a_wrong_flag():
    with pytest.raises(ConfigurationError, match="train_cases=1") as caught:
        split_cases(10, 1, seed=0)
    assert caught.value.exit_status == 2
    assert caught.value.remedy


def test_a_data_set_without_a_test_case_is_too_small():
    with pytest.raises(DataError, match="train_cases=10 of 10 cases") as caught:
        split_cases(10, 10, seed=0)
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
        ("", "columns"),
        ("case;split\na;test\n", "columns case;split"),
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
