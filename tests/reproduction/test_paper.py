"""The paper's figures against its tables as printed, here pasted from it."""

import pytest

from darts_adv_tf.reproduction.paper import MEAN_IOU, published_difference, published_iou

TABLE_1 = """
FCN-32s 75.27
FCN-32s + RS 72.69
FCN-32s + ResNet10 82.66
FCN-32s + NAS 82.43
U-Net 71.09
U-Net + RS 68.59
U-Net + ResNet10 79.32
U-Net + NAS 81.86
"""
TABLE_2 = """
FCN-32s 50.82
FCN-32s + RS 54.61
FCN-32s + ResNet10 85.86
FCN-32s + NAS 87.37
U-Net 43.95
U-Net + RS 44.85
U-Net + ResNet10 81.78
U-Net + NAS 83.78
"""
BACKBONES = {"FCN-32s": "fcn32s", "U-Net": "unet"}
ARMS = {"": "none", "RS": "random", "ResNet10": "resnet10", "NAS": "nas"}


def test_the_figures_are_those_of_the_tables():
    expected = {}
    for dataset, table in (("cx_seg", TABLE_1), ("jsrt", TABLE_2)):
        for line in table.strip().splitlines():
            model, figure = line.rsplit(" ", 1)
            backbone, _, arm = model.partition(" + ")
            expected[dataset, BACKBONES[backbone], ARMS[arm]] = float(figure)
    assert len(expected) == 16 and dict(MEAN_IOU) == expected


@pytest.mark.parametrize("key", [("phantom", "unet", "nas"), ("cx_seg", "unet", "resnet50")])
def test_what_the_paper_does_not_tell_is_none(key):
    assert published_iou(*key) is None
    assert published_difference(*key, "none") is None


def test_a_difference_is_the_first_minus_the_second_in_points():
    assert published_difference("cx_seg", "fcn32s", "nas", "resnet10") == -0.23
    assert published_difference("jsrt", "unet", "nas", "none") == 39.83
