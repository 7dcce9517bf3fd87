"""What the paper published: its Tables 1 and 2, and the setting they were measured in.

Reference: Dong, Xu, Liang, Jiang, Dai and Xing, "Neural Architecture Search for Adversarial Medical
Image Segmentation", MICCAI 2019, doi 10.1007/978-3-030-32226-7_92. It gives one number per
model, without a spread, and no baseline that ignores the image.
"""

from types import MappingProxyType

SOURCE = "Dong et al., MICCAI 2019"

TABLES = MappingProxyType({"cx_seg": "Table 1", "jsrt": "Table 2"})
"""The paper's table of each data set."""

MEAN_IOU = MappingProxyType(
    {
        ("cx_seg", "fcn32s", "none"): 75.27,
        ("cx_seg", "fcn32s", "random"): 72.69,
        ("cx_seg", "fcn32s", "resnet10"): 82.66,
        ("cx_seg", "fcn32s", "nas"): 82.43,
        ("cx_seg", "unet", "none"): 71.09,
        ("cx_seg", "unet", "random"): 68.59,
        ("cx_seg", "unet", "resnet10"): 79.32,
        ("cx_seg", "unet", "nas"): 81.86,
        ("jsrt", "fcn32s", "none"): 50.82,
        ("jsrt", "fcn32s", "random"): 54.61,
        ("jsrt", "fcn32s", "resnet10"): 85.86,
        ("jsrt", "fcn32s", "nas"): 87.37,
        ("jsrt", "unet", "none"): 43.95,
        ("jsrt", "unet", "random"): 44.85,
        ("jsrt", "unet", "resnet10"): 81.78,
        ("jsrt", "unet", "nas"): 83.78,
    }
)
"""mIOU in percent, as printed, by data set, backbone and arm; `random` is the mean of 10 runs."""

SETTING = MappingProxyType(
    {
        "image_size": "512",
        "train_cases": "50",
        "learning_rate": "0.0001",
        "architecture_learning_rate": "0.0001",
        "adversarial_weight": "0.01",
        "retrain_epochs": "50",
    }
)
"""Section 3.2, by flag. It does not state the epochs of the search and the batch size."""


def published_iou(dataset: str, backbone: str, arm: str) -> float | None:
    """The mIOU in percent that the paper printed; None where it printed none."""
    return MEAN_IOU.get((dataset, backbone, arm))


def published_difference(dataset: str, backbone: str, first: str, second: str) -> float | None:
    """First arm minus second, in points, of what the paper printed; None where one is missing."""
    minuend, subtrahend = (published_iou(dataset, backbone, arm) for arm in (first, second))
    if minuend is None or subtrahend is None:
        return None
    return round(minuend - subtrahend, 2)
