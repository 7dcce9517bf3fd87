"""Segments pictures of any format and size with an exported segmenter.

python -m darts_adv_tf.predict --workdir=runs/search-<time> --inputs=folder,"more/*.dcm"
"""

from darts_adv_tf.cli.main import run
from darts_adv_tf.config.predict import PredictConfig


def main(config: PredictConfig) -> None:
    """Writes labels, overlays, predictions.csv and, where asked for, DICOM Segmentations."""
    from darts_adv_tf.serving.prediction import predict

    predict(config)


if __name__ == "__main__":
    run(main, "predict")
