"""What an exported segmenter says of itself beside its graph."""

import dataclasses
import json
from pathlib import Path

from darts_adv_tf.system.errors import DataError
from darts_adv_tf.system.files import write_text

# Where SavedModels keep what belongs to them and is not loaded.
DESCRIPTION_FILE = Path("assets.extra") / "description.json"


@dataclasses.dataclass(frozen=True)
class ModelDescription:
    """Names and ranges of a segmenter's inputs and outputs.

    Attributes:
        class_names: The names of the classes, in the order of the labels.
        num_channels: Of its images.
        intensity_maximum: The largest intensity that its images can hold as stored, to which
            others are scaled; None where their format bounds none.
    """

    class_names: tuple[str, ...]
    num_channels: int
    intensity_maximum: float | None

    def write(self, model_folder: Path) -> None:
        """Writes it into a SavedModel's folder.

        Raises:
            StorageError: The system refused to write.
        """
        text = json.dumps(dataclasses.asdict(self), indent=2) + "\n"
        write_text(model_folder / DESCRIPTION_FILE, text)

    @classmethod
    def read(cls, model_folder: Path) -> "ModelDescription | None":
        """Reads it, or returns None where the model has none, as those of other programs.

        Raises:
            DataError: There is one, and it is not what `write` wrote.
        """
        path = model_folder / DESCRIPTION_FILE
        if not path.exists():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            names = content["class_names"]
            maximum = content["intensity_maximum"]
            description = cls(tuple(names), content["num_channels"], maximum)
            if not (
                len(names) > 1
                and all(isinstance(name, str) for name in names)
                and type(description.num_channels) is int
                and (maximum is None or 0 < float(maximum) < float("inf"))
            ):
                raise ValueError(f"{content}"[:200])
        except (OSError, ValueError, TypeError, LookupError, RecursionError) as error:
            raise DataError(
                "A segmenter's description must name its classes, channels and range of "
                "intensities.",
                received=error,
                file=path,
                remedy="Export the segmenter again: python -m darts_adv_tf.export --workdir=...",
            ) from error
        return description
