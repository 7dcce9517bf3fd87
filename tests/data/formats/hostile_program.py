"""Decodes hostile files one after the other, and tells how each of them ended.

Run in a process of its own, since a library in C may take the process with it:

    python -m tests.data.formats.hostile_program FOLDER PART NUM_PARTS

Prints a line for each file, separated by tabs: its name, what was done to it, the outcome wanted,
seconds of processor time, which a busy machine does not lengthen, and the outcome. The last line
tells by how many MiB the most memory in use grew.
"""

import resource
import sys
import time
from pathlib import Path

from darts_adv_tf.data.formats.nifti import NIFTI_SUFFIXES, read_nifti, read_nifti_mask
from darts_adv_tf.data.formats.raster import RASTER_SUFFIXES, read_index_mask
from darts_adv_tf.data.formats.reading import read_image
from darts_adv_tf.system.errors import DataError
from tests.data.formats.example_files import write_example_files
from tests.data.formats.hostile_files import (
    bounded_bombs,
    damaged_variants,
    dicom_bombs,
    nifti_bombs,
    raster_bombs,
)

# Of address space, so that what takes too much fails here, and does not harm the machine.
MOST_BYTES = 6 * 2**30

OTHER_SUFFIXES = (".png", ".tif", ".dcm", ".nii", ".nii.gz", ".img", ".txt")


def all_files(folder):
    """Yields (outcome that is wanted, name, what was done, content)."""
    folder.mkdir(exist_ok=True)
    for path in write_example_files(folder):
        content = path.read_bytes()
        yield "decoded", path.name, "nothing", content
        for what, damaged in damaged_variants(path.name, content, seed=0):
            yield "any", path.name, what, damaged
        for suffix in OTHER_SUFFIXES:
            if not path.name.endswith(suffix):
                yield "any", path.name + suffix, "wrong suffix", content
    for wanted, bombs in (
        ("refused", raster_bombs),
        ("refused", dicom_bombs),
        ("refused", nifti_bombs),
        ("any", bounded_bombs),
    ):
        for name, content in bombs():
            yield wanted, f"bomb_{name}", "made by hand", content


def decode(path):
    """Returns what happened, in one word, or a sentence on what must not happen."""
    outcomes = []
    readers = [read_image]
    if path.name.endswith(NIFTI_SUFFIXES):
        readers = [read_nifti, read_nifti_mask]
    elif path.name.endswith(RASTER_SUFFIXES):
        readers = [read_image, read_index_mask]
    for reader in readers:
        try:
            reader(path)
            outcomes.append("decoded")
        except DataError as error:
            told = str(error)
            if str(path) not in told or not error.received or not error.remedy:
                return f"a poor message: {told}"
            outcomes.append("refused")
        except BaseException as error:
            return f"{reader.__name__} raised {error!r}"
    return outcomes[0]


def most_memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(folder, part, num_parts):
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    before = None
    for index, (wanted, name, what, content) in enumerate(all_files(folder / "good")):
        if index % num_parts != part:
            continue
        path = folder / name
        path.write_bytes(content)
        if before is None:
            # The libraries are loaded, and an example is made.
            before = most_memory()
        print(f"{name}\t{what}\t{wanted}", end="\t", flush=True)
        start = time.process_time()
        outcome = decode(path)
        print(f"{time.process_time() - start:.3f}\t{outcome!r}", flush=True)
        path.unlink()
    print(f"{most_memory() - before:.0f} MiB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
