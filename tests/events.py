"""What TensorBoard shows of a folder."""

from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray


def read_events(folder: Path) -> dict[str, list[tuple[int, np.ndarray]]]:
    """Steps and values by tag: of what was written, all that a resumed run has not made void."""
    # 0 is for all; otherwise some would be left out to save memory.
    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    accumulator.Reload()
    return {
        tag: [(event.step, make_ndarray(event.tensor_proto)) for event in accumulator.Tensors(tag)]
        for tag in accumulator.Tags()["tensors"]
    }
