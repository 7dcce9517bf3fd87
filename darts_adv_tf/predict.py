"""Segments pictures of any format and size with an exported segmenter.

python -m darts_adv_tf.predict --workdir=runs/search-<time> --inputs=folder,"more/*.dcm"
"""

from pathlib import Path

from darts_adv_tf.cli.keywords import run_with_keywords
from darts_adv_tf.cli.main import run
from darts_adv_tf.config.predict import PredictConfig


def main(config: PredictConfig) -> None:
    """Writes labels, overlays, predictions.csv and, where asked for, DICOM Segmentations."""
    from darts_adv_tf.serving.prediction import predict

    predict(config)


def run_predict(**settings: object) -> Path:
    """Segments images with an exported segmenter, as the command does.

    Args:
        **settings: As `run_search`, by the flags of `python -m darts_adv_tf.predict --help`.

    Returns:
        The output folder.

    Raises:
        UserError: As the command ends with, by subclass; also where some images were left out.

    Example:
        With the segmenter in the example of `run_train`.

        >>> import cv2, numpy as np
        >>> from darts_adv_tf import run_predict
        >>> cv2.imwrite("image.png", np.full((40, 50), 128, np.uint8))
        True
        >>> folder = run_predict(workdir="runs/small", inputs=["image.png"], output_dir="labels")
        >>> cv2.imread(folder / "labels" / "image.png", cv2.IMREAD_GRAYSCALE).shape
        (40, 50)
    """
    config = run_with_keywords(main, "predict", settings)
    assert config.output_dir is not None  # the flags' reader names a folder
    return Path(config.output_dir)


if __name__ == "__main__":
    run(main, "predict")
