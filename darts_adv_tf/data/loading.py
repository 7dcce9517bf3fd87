"""Reads, checks and prepares the cases of a collection, and assembles a data set.

Shapes: N cases, S the side of a training image, C channels.
"""

import dataclasses
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np

from darts_adv_tf.data.case_checks import check_image, check_masks, check_prepared, check_sizes
from darts_adv_tf.data.collection import Case, Collection, SizeMismatch
from darts_adv_tf.data.data_issue import DataIssue
from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.data.formats.decoded_image import DecodedImage
from darts_adv_tf.data.formats.nifti import INFLATED_FILES
from darts_adv_tf.data.formats.nifti_header import HeaderMismatch
from darts_adv_tf.data.preparation import Preparation, merge_masks
from darts_adv_tf.system.errors import ConfigurationError, DataError
from darts_adv_tf.system.memory import format_gibibytes, memory_bytes

Progress = Callable[[int, int], None]
"""Called after each case with the number of cases done and the total."""

NUM_SHOWN_FAULTS = 5

_UNKNOWN_SIZE = (np.nan, np.nan)
_COLOUR = 3
_GREY_AMONG_COLOUR = "a grey image among colour ones: its values stand in all three channels"

_TENSORFLOW_LOCK = threading.Lock()
"""Held while a case is resized: CPython 3.11 crashed (in `typing`'s check of a protocol, about once
in a hundred runs under stress) when several threads called TensorFlow's Python layer at a time.
Files are read and decoded outside it."""


@dataclasses.dataclass(frozen=True, eq=False)
class Reading:
    """A case as training sees it, or why it cannot be used.

    Attributes:
        case: The case.
        image: float32 (S, S, C), prepared; None if the case cannot be used.
        labels: uint8 (S, S); None likewise.
        pixel_size: Height and width of a training pixel in mm, or nan.
        issues: Issues of the case.
        error: Why the case cannot be used.
        remarks: What had to be interpreted to read its files.
    """

    case: Case
    image: np.ndarray | None
    labels: np.ndarray | None
    pixel_size: tuple[float, float]
    issues: tuple[DataIssue, ...]
    error: DataError | None = None
    remarks: tuple[str, ...] = ()


def load(
    collection: Collection, preparation: Preparation, progress: Progress | None = None
) -> Dataset:
    """Reads and prepares all cases of a collection.

    Masks are merged at full resolution by the collection's priority; then each pixel of the
    training resolution gets the class with the largest area in it. Faults that leave no doubt
    about what was meant are corrected, and each is listed in the data set's `issues`.

    Args:
        collection: The cases.
        preparation: How images are prepared; its `intensity_maximum` is found here.
        progress: Called after each case.

    Raises:
        DataError: There are fatal issues; the message counts them and names the first.
        ConfigurationError: The cases do not fit into memory, or their intensities have no bounds
            and the preparation needs them.
    """
    # Cases known to be unreadable come first, so that nobody waits for the others in vain.
    broken = [_unusable(case, case.error) for case in collection.cases if case.error is not None]
    _raise_if_any_fatal(broken, len(collection.cases))
    preparation = with_intensity_bounds(collection, preparation)
    readings = match_channels(list(read_cases(collection, preparation, progress)))
    _raise_if_any_fatal(readings, len(collection.cases))
    return assemble(collection, preparation, readings)


def with_intensity_bounds(collection: Collection, preparation: Preparation) -> Preparation:
    """Returns the preparation with the intensity maximum of the first readable case.

    Raises:
        ConfigurationError: The cases do not fit into memory, or the intensities have no bounds
            and the preparation needs them.
        DataError: There is no case, or none can be read.
    """
    first = None
    for case in collection.cases:
        try:
            decoded, _ = case.read()
        except DataError as error:
            first = first or error
        else:
            _check_memory(len(collection.cases), preparation, decoded.pixels.shape[-1])
            if decoded.intensity_maximum is None and preparation.normalization == "range":
                raise ConfigurationError(
                    "--normalization=range must be used with formats that bound intensities.",
                    received=f"{case.files[0]}, whose format does not",
                    remedy="Use --normalization=percentile, or --normalization=window with "
                    "--window=<low>,<high>.",
                )
            return dataclasses.replace(preparation, intensity_maximum=decoded.intensity_maximum)
    raise first or DataError(
        "A data set must hold at least one case.", received=f"no case of {collection.name}"
    )


def read_cases(
    collection: Collection, preparation: Preparation, progress: Progress | None = None
) -> Iterator[Reading]:
    """Yields one reading per case, in order; several are read at a time."""
    cases = iter(collection.cases)
    num_threads = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(num_threads) as threads:

        def begin(case: Case):
            return threads.submit(read_case, case, collection, preparation)

        # Only a few ahead, so that images do not pile up in memory.
        pending = [begin(case) for case in islice(cases, 2 * num_threads)]
        done = 0
        try:
            while pending:
                reading = pending.pop(0).result()
                pending.extend(begin(case) for case in islice(cases, 1))
                done += 1
                if progress:
                    progress(done, len(collection.cases))
                yield reading
        finally:
            for reading in pending:
                reading.cancel()
            INFLATED_FILES.forget()


def read_case(case: Case, collection: Collection, preparation: Preparation) -> Reading:
    """Reads, checks and prepares one case; if it cannot be used, an issue says why."""
    try:
        decoded, masks = case.read()
        check_sizes(decoded, masks, case)
    except DataError as error:
        return _unusable(case, error)
    issues = check_image(decoded, case)
    masks, of_masks = check_masks(masks, case, collection)
    issues += of_masks
    height, width = decoded.pixels.shape[:2]
    try:
        pixels = match_range(decoded, preparation.intensity_maximum)
    except ValueError as error:
        issues.append(DataIssue(case.name, "range", str(error), is_fatal=True))
        return Reading(case, None, None, _UNKNOWN_SIZE, tuple(issues), remarks=decoded.remarks)
    with _TENSORFLOW_LOCK:
        image = preparation.prepare_images(pixels[np.newaxis])[0].numpy()
    priority = collection.class_priority
    stored = merge_masks(masks, priority)
    labels = preparation.prepare_labels(stored, priority)
    expected = {
        index: name
        for index, name in enumerate(collection.class_names)
        if index and (collection.has_whole_organs or (stored == index).any())
    }
    issues += check_prepared(image, labels, issues, case, expected)
    pixel_size = preparation.pixel_size(decoded.spacing, height, width)
    return Reading(case, image, labels, pixel_size, tuple(issues), remarks=decoded.remarks)


def match_range(decoded: DecodedImage, intensity_maximum: float | None) -> np.ndarray:
    """Returns the pixels, float32 (H, W, C), in the intensity range of the training images.

    Raises:
        ValueError: Only one of the two ranges is bounded.
    """
    pixels = decoded.pixels.astype(np.float32)
    if decoded.intensity_maximum == intensity_maximum:
        return pixels
    if decoded.intensity_maximum is None or intensity_maximum is None:
        raise ValueError(
            f"its intensities reach up to {_bound(decoded.intensity_maximum)}, those of the other "
            f"images up to {_bound(intensity_maximum)}"
        )
    return pixels * np.float32(intensity_maximum / decoded.intensity_maximum)


def assemble(collection: Collection, preparation: Preparation, readings: list[Reading]) -> Dataset:
    """Makes a data set of the usable cases, which agree in their channels."""
    usable = [reading for reading in readings if reading.image is not None]
    kept = {reading.case.name for reading in usable}
    usable_collection = collection if len(kept) == len(readings) else collection.only(kept)
    return Dataset(
        name=collection.name,
        class_names=collection.class_names,
        cases=tuple(reading.case.name for reading in usable),
        images=np.stack([r.image for r in usable if r.image is not None]),
        labels=np.stack([r.labels for r in usable if r.labels is not None]),
        preparation=preparation,
        patients=tuple(reading.case.patient for reading in usable),
        folds=usable_collection.folds,
        pixel_sizes=np.array([reading.pixel_size for reading in usable]),
        has_whole_organs=collection.has_whole_organs,
        issues=(
            *collection.issues,
            *(issue for reading in usable for issue in reading.issues),
            *interpretations(readings),
        ),
    )


def match_channels(readings: list[Reading]) -> list[Reading]:
    """Gives all readings the channels of most of them, in whatever order they come.

    Where most are colour images, a grey one gets its values in all three channels: a colour image
    whose channels agree is decoded as a grey one. Other readings that differ are rejected, by a
    fatal issue each.
    """
    counts = Counter(r.image.shape[-1] for r in readings if r.image is not None)
    # Of several that are as frequent, the most channels.
    channels = max(counts, key=lambda number: (counts[number], number), default=0)

    def agreeing(reading: Reading) -> Reading:
        if reading.image is None or reading.image.shape[-1] == channels:
            return reading
        if (reading.image.shape[-1], channels) == (1, _COLOUR):
            return dataclasses.replace(
                reading,
                image=reading.image.repeat(_COLOUR, axis=-1),
                remarks=(*reading.remarks, _GREY_AMONG_COLOUR),
            )
        message = (
            f"{reading.image.shape[-1]} channel(s), where most images have {channels} "
            f"({counts[channels]} of {counts.total()})"
        )
        issue = DataIssue(reading.case.name, "channels", message, is_fatal=True)
        return dataclasses.replace(
            reading, image=None, labels=None, issues=(*reading.issues, issue)
        )

    return [agreeing(reading) for reading in readings]


def interpretations(readings: list[Reading]) -> list[DataIssue]:
    """One issue for each remark, however many cases it is true of: the first is named."""
    cases: dict[str, list[str]] = {}
    for reading in readings:
        for remark in reading.remarks:
            cases.setdefault(remark, []).append(reading.case.name)
    return [
        DataIssue(
            names[0],
            "interpreted",
            remark + (f", as in {len(names) - 1} more" if len(names) > 1 else ""),
        )
        for remark, names in cases.items()
    ]


def _unusable(case: Case, error: DataError) -> Reading:
    kinds = {SizeMismatch: "size_mismatch", HeaderMismatch: "headers"}
    kind = kinds.get(type(error), "unreadable")
    issue = DataIssue(case.name, kind, _in_a_line(error), is_fatal=True)
    return Reading(case, None, None, _UNKNOWN_SIZE, (issue,), error)


def _raise_if_any_fatal(readings: list[Reading], num_cases: int) -> None:
    fatal = [issue for reading in readings for issue in reading.issues if issue.is_fatal]
    if not fatal:
        return
    errors = [reading.error for reading in readings if reading.error is not None]
    if len(fatal) == len(errors) == 1:
        raise errors[0]
    cases = {issue.case: None for issue in fatal}
    shown = [f"\n    {issue}" for issue in fatal[:NUM_SHOWN_FAULTS]]
    more = len(fatal) - len(shown)
    shown += [f"\n    and {more} more"] if more > 0 else []
    (file,) = {
        reading.case.files[0] if reading.case.files else None
        for reading in readings
        if reading.case.name == next(iter(cases))
    }
    raise DataError(
        "All cases must be usable for training.",
        received=f"{len(cases)} of {num_cases} cases that cannot" + "".join(shown),
        file=file,
        remedy="Repair these cases or remove them from the data set; "
        "python -m darts_adv_tf.verify lists all of them.",
    )


def _check_memory(num_cases: int, preparation: Preparation, num_channels: int) -> None:
    size = num_cases * preparation.image_size**2 * (4 * num_channels + 1)
    memory = memory_bytes()
    if size > memory:
        raise ConfigurationError(
            "All images must fit into memory during training.",
            received=f"{num_cases} cases at --image_size={preparation.image_size}, "
            f"{format_gibibytes(size)}, of {format_gibibytes(memory)} of memory",
            remedy="Lower --image_size, or name fewer cases by --cases.",
        )


def _bound(intensity_maximum: float | None) -> str:
    return "no bound" if intensity_maximum is None else f"{intensity_maximum:g}"


def _in_a_line(error: DataError) -> str:
    details = "; ".join(str(text) for text in (error.received, error.file) if text is not None)
    return f"{error.rule} {details}" if details else error.rule
