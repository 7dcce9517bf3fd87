"""An exported segmenter as a function of arrays.

Shapes: N images, H, W pixels, K classes, of which class 0 is the background.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from darts_adv_tf.serving.exporting import VERSION_FOLDER
from darts_adv_tf.serving.served_model import GRAPH_FILE, SIGNATURE
from darts_adv_tf.system.errors import ConfigurationError

Segmenter = Callable[[np.ndarray], dict[str, np.ndarray]]


def load_segmenter(folder: str | os.PathLike[str]) -> Segmenter:
    """Loads the segmenter that a run has exported.

    To load a SavedModel is to run what its author put into it: load only what you trust.

    Args:
        folder: The work directory of a finished run, or a copy of its folder segmenter/1.

    Returns:
        A function of images (N, H, W, channels) of any size, with intensities as they are stored
        in files such as the training images, to `labels` (N, H, W), indices of classes, and
        `probabilities` (N, H, W, K).

    Raises:
        ConfigurationError: There is no exported segmenter.

    Example:
        Of the run in the example of `run_train`.

        >>> import numpy as np
        >>> from darts_adv_tf import load_segmenter
        >>> segment = load_segmenter("runs/small")
        >>> {name: array.shape for name, array in segment(np.zeros((2, 40, 50, 1))).items()}
        {'labels': (2, 40, 50), 'probabilities': (2, 40, 50, 4)}
    """
    candidates = [Path(folder) / VERSION_FOLDER, Path(folder)]
    exported = next((path for path in candidates if (path / GRAPH_FILE).is_file()), None)
    if exported is None:
        raise ConfigurationError(
            "load_segmenter must be given the work directory of a finished run, or a SavedModel.",
            received=f"no {GRAPH_FILE} in {' or in '.join(map(str, candidates))}",
            remedy=f"Export the run by: python -m darts_adv_tf.export --workdir={folder}",
        )
    loaded = tf.saved_model.load(os.fspath(exported))

    def segment(images: np.ndarray) -> dict[str, np.ndarray]:
        # By `loaded`, which keeps the variables alive; a signature does not.
        serve = loaded.signatures[SIGNATURE]
        outputs = serve(images=tf.convert_to_tensor(images, tf.float32))
        return {name: outputs[name].numpy() for name in ("labels", "probabilities")}

    return segment
