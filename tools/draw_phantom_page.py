"""Draws the picture of docs/phantom.md: the same chests in both domains, some with their labels.

python tools/draw_phantom_page.py --output=docs/phantom.png
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from darts_adv_tf.data.phantom import DOMAINS, draw_case
from darts_adv_tf.system.files import write_bytes

NUM_COLUMNS = 6
NUM_ROWS = 2
HEADING = 26
COLOURS = {1: (233, 180, 86), 2: (66, 228, 240), 3: (143, 210, 0)}
"""Of left lung, right lung and heart, as blue, green and red."""

OUTPUT = flags.DEFINE_string("output", None, "The PNG file to write.", required=True)
SIDE = flags.DEFINE_integer("side", 200, "Edge of each picture.", lower_bound=64)
SEED = flags.DEFINE_integer("seed", 0, "The phantom's.", lower_bound=0)


def draw_tile(case_index: int, domain: str, with_labels: bool) -> np.ndarray:
    """One case at `--side`, drawn at twice that, uint8 (side, side, 3)."""
    side = SIDE.value
    image, labels = draw_case(2 * side, SEED.value, case_index, domain)
    tile = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    for class_index, colour in COLOURS.items() if with_labels else ():
        mask = (labels == class_index).astype(np.uint8)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(tile, contours, -1, colour, 2, cv2.LINE_AA)
    return cv2.resize(tile, (side, side), interpolation=cv2.INTER_AREA)


def draw_domain(domain: str) -> np.ndarray:
    """A heading and `NUM_ROWS` rows; the last third of each row shows its labels."""
    heading = np.full((HEADING, NUM_COLUMNS * SIDE.value, 3), 255, np.uint8)
    text = f"--phantom_domain={domain}"
    cv2.putText(heading, text, (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (0, 0, 0), 1, cv2.LINE_AA)
    rows = [heading]
    for row in range(NUM_ROWS):
        first = row * NUM_COLUMNS
        with_labels = [3 * column >= 2 * NUM_COLUMNS for column in range(NUM_COLUMNS)]
        tiles = [draw_tile(first + i, domain, shown) for i, shown in enumerate(with_labels)]
        rows.append(np.hstack(tiles))
    return np.vstack(rows)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Everything is said by flags. Received: {argv[1:]}")
    page = np.vstack([draw_domain(domain) for domain in DOMAINS])
    _, encoded = cv2.imencode(".png", page, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    write_bytes(OUTPUT.value, encoded.tobytes())


if __name__ == "__main__":
    app.run(main)
