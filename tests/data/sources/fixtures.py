"""Writes small data sets in the folder layout of each source.

Chest radiographs are the phantom's, so that masks lie as those of a chest do. Each function
returns what it wrote: the images, uint8 (H, W) or (H, W, C), and the masks, bool (K - 1, H, W), by
the names of the cases.
"""

import csv
import gzip
import json
from pathlib import Path

import numpy as np
from PIL import Image

from darts_adv_tf.data.phantom import draw_case

CHEST_ORGANS = ("left_lung", "right_lung", "heart")
CLAVICLES = ("left_clavicle", "right_clavicle")
SHAPES = ("liver", "spleen", "kidney", "lesion")
CHANNELS = ("red", "green", "blue")
SIZE = 64
JSRT_CASES = ("JPCLN001", "JPCLN002", "JPCNN003")

Written = dict[str, tuple[np.ndarray, np.ndarray]]


def chest_case(index: int, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """A radiograph, uint8 (H, W), and the masks of `CHEST_ORGANS`."""
    image, labels = draw_case(size, seed=0, case_index=index)
    return image, np.array([labels == organ for organ in (1, 2, 3)])


def shapes_case(
    index: int, size: int = SIZE, num_channels: int = 3, num_organs: int = len(SHAPES)
) -> tuple[np.ndarray, np.ndarray]:
    """Discs that do not touch, each of a colour of its own: an easy case of several classes.

    Returns:
        image: uint8 (H, W, C).
        masks: bool (organs, H, W).
    """
    rng = np.random.default_rng((7, index))
    num_columns = int(np.ceil(np.sqrt(num_organs)))
    cell = size / num_columns
    rows, columns = np.mgrid[:size, :size]
    masks = []
    for organ in range(num_organs):
        middle = (np.array(divmod(organ, num_columns)) + rng.uniform(0.45, 0.55, 2)) * cell
        radius = rng.uniform(0.25, 0.38) * cell
        masks.append(np.hypot(rows - middle[0], columns - middle[1]) < radius)
    masks = np.array(masks)
    colours = 90 + 40 * np.arange(num_organs)[:, None] + 35 * np.arange(num_channels)[None] ** 2
    image = rng.normal(40, 6, (size, size, num_channels))
    image += np.tensordot(masks, colours % 160, axes=(0, 0))
    return np.clip(image, 0, 255).astype(np.uint8), masks


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Writes grey (H, W) or RGB (H, W, 3), of 8 or 16 bits in grey."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(pixels)).save(path)


def write_mask(path: Path, mask: np.ndarray) -> None:
    """Writes a bool mask as 0 and 255."""
    write_png(path, np.where(mask, 255, 0).astype(np.uint8))


def write_nifti(path: Path, pixels: np.ndarray) -> None:
    """Writes a single file from (H, W), (slices, H, W) or (slices, H, W, C).

    The axes are stored so that the slices come back as given: x to the patient's left, y to the
    back and z to the head, in mm.
    """
    import nibabel

    if pixels.ndim == 2:
        pixels = pixels[None]
    order = (2, 1, 0, *range(3, pixels.ndim))
    image = nibabel.Nifti1Image(pixels.transpose(order), np.diag([-1.0, -1.0, 1.0, 1.0]))
    path.parent.mkdir(parents=True, exist_ok=True)
    content = image.to_bytes()
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)


def write_json(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")


def write_cx_seg(folder: Path, num_cases: int = 3, names: tuple[str, ...] | None = None) -> Written:
    """The 512x512 release (smaller), with the names a, b, c, ..."""
    written = {}
    for index, name in enumerate(names or "abcdefghijklmnopqrstuvwxyz"[:num_cases]):
        image, masks = written[name] = chest_case(index)
        write_png(folder / "png" / f"{name}.png", image)
        for organ, mask in zip(CHEST_ORGANS, masks, strict=True):
            write_mask(folder / "mask" / organ / f"{name}.png", mask)
    return written


def write_cx_seg_full(folder: Path, num_cases: int = 3) -> Written:
    """The full release: a folder a patient, with a DICOM file of grey levels as they are shown."""
    written = {}
    for index in range(num_cases):
        name = f"1.2.{index}"
        image, masks = written[name] = chest_case(index)
        (folder / name).mkdir(parents=True)
        write_dicom(folder / name / "original.dcm", image)
        for organ, mask in zip(CHEST_ORGANS, masks, strict=True):
            write_mask(folder / name / f"{organ}.png", mask)
        (folder / name / "key_points.txt").write_text("left,0.1,0.2\n")
    return written


def write_dicom(path: Path, image: np.ndarray) -> None:
    """Writes uint8 (H, W) as a MONOCHROME2 radiograph, windowed from 0 to 255, not compressed."""
    import pydicom
    from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.SOPClassUID, dataset.SOPInstanceUID = ComputedRadiographyImageStorage, "1.2.3"
    dataset.Modality, dataset.PatientID = "CR", "nobody"
    dataset.Rows, dataset.Columns = image.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.WindowCenter, dataset.WindowWidth = 128, 256
    dataset.PixelRepresentation, dataset.PixelData = 0, image.tobytes()
    dataset.save_as(path, enforce_file_format=True)


def write_jsrt(
    folder: Path,
    names: tuple[str, ...] = JSRT_CASES,
    image_dir: str = "All247images",
    mask_dir: str = "scratch",
    separator: str = " ",
    suffix: str = ".IMG",
) -> Written:
    """Raw images of 2048x2048 with the masks of all five organs, 1024x1024.

    Returns:
        Images as they are shown, uint16 with 12 bits, and the masks as they are stored, both
        lungs, the heart and both clavicles.
    """
    written = {}
    (folder / image_dir).mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        image, masks = chest_case(index)
        shown = image.repeat(32, axis=0).repeat(32, axis=1).astype(np.uint16) * 16
        (folder / image_dir / f"{name}{suffix}").write_bytes((4095 - shown).astype(">u2").tobytes())
        clavicles = np.zeros((2, SIZE, SIZE), bool)
        clavicles[0, 8:12, 36:52], clavicles[1, 8:12, 12:28] = True, True
        masks = np.concatenate([masks, clavicles]).repeat(16, axis=1).repeat(16, axis=2)
        fold = "fold1" if int(name[5:8]) % 2 else "fold2"
        for organ, mask in zip((*CHEST_ORGANS, *CLAVICLES), masks, strict=True):
            path = folder / mask_dir / fold / "masks" / organ.replace("_", separator)
            write_mask(path / f"{name}.gif", mask)
        written[name] = shown, masks
    return written


def write_montgomery(folder: Path, num_cases: int = 3) -> Written:
    written = {}
    for index in range(num_cases):
        name = f"MCUCXR_{index + 1:04}_{index % 2}"
        image, masks = chest_case(index)
        written[name] = image, masks[:2]
        write_png(folder / "CXR_png" / f"{name}.png", image)
        for side, mask in zip(("left", "right"), masks[:2], strict=True):
            write_mask(folder / "ManualMask" / f"{side}Mask" / f"{name}.png", mask)
    return written


def write_shenzhen(folder: Path, num_cases: int = 3, mask_dir: str = "mask") -> Written:
    """Grey images stored as RGB, as the real ones are."""
    written = {}
    for index in range(num_cases):
        name = f"CHNCXR_{index + 1:04}_{index % 2}"
        image, masks = chest_case(index)
        written[name] = image, masks[:2].any(axis=0, keepdims=True)
        write_png(folder / "CXR_png" / f"{name}.png", np.stack([image] * 3, axis=-1))
        write_mask(folder / mask_dir / f"{name}_mask.png", written[name][1][0])
    return written


def run_lengths(mask: np.ndarray) -> str:
    """The runs of a mask, found pixel by pixel."""
    runs, start = [], None
    for place, inside in enumerate([*mask.ravel(), False], start=1):
        if inside and start is None:
            start = place
        elif not inside and start is not None:
            runs += [start, place - start]
            start = None
    return " ".join(map(str, runs))


def write_chexmask(folder: Path, num_cases: int = 3) -> Written:
    """Images and a table as for ChestX-ray8: case 2 shows the patient of case 1 again."""
    written, rows = {}, []
    for index in range(num_cases):
        name = f"{max(index, 1):08}_{index:03}" if index else "00000000_000"
        image, masks = written[name] = chest_case(index)
        write_png(folder / "images_001" / "images" / f"{name}.png", image)
        rows.append(
            {
                "Image Index": f"{name}.png",
                "Dice RCA (Max)": 0.9,
                "Dice RCA (Mean)": 0.8,
                "Landmarks": "1,2,\n3,4",
                "Left Lung": run_lengths(masks[0]),
                "Right Lung": run_lengths(masks[1]),
                "Heart": run_lengths(masks[2]),
                "Height": SIZE,
                "Width": SIZE,
            }
        )
    write_table(folder / "OriginalResolution" / "ChestX-Ray8.csv", rows)
    return written


def write_table(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def to_values(masks: np.ndarray) -> np.ndarray:
    """Masks that do not overlap as one index mask, uint8 (H, W)."""
    return np.einsum("khw,k->hw", masks, np.arange(1, len(masks) + 1)).astype(np.uint8)


def write_nnunet(
    folder: Path,
    num_cases: int = 6,
    channels: tuple[str, ...] = CHANNELS,
    organs: tuple[str, ...] = SHAPES,
    size: int = SIZE,
    ending: str = ".png",
    in_one_file: bool = False,
) -> Written:
    """By default five classes, with the background, and three channels, each in a file."""
    labels = {"background": 0, **{name: index for index, name in enumerate(organs, start=1)}}
    write_json(
        folder / "dataset.json",
        {
            "channel_names": {str(index): name for index, name in enumerate(channels)},
            "labels": labels,
            "numTraining": num_cases,
            "file_ending": ending,
        },
    )
    write = write_nifti if ending.startswith(".nii") else write_png
    written = {}
    for index in range(num_cases):
        name = f"case_{index:03}"
        image, masks = written[name] = shapes_case(index, size, len(channels), len(organs))
        parts = [image] if in_one_file else np.moveaxis(image, -1, 0)
        for channel, part in enumerate(parts):
            write(folder / "imagesTr" / f"{name}_{channel:04}{ending}", part)
        write(folder / "labelsTr" / f"{name}{ending}", to_values(masks))
    return written


def write_decathlon(folder: Path, num_cases: int = 2, num_slices: int = 3) -> Written:
    """Volumes of two channels and two organs; returns their slices."""
    organs, written, training = ("edema", "tumour"), {}, []
    for volume in range(num_cases):
        name = f"BRATS_{volume:03}"
        slices = [
            shapes_case(10 * volume + z, num_channels=2, num_organs=2) for z in range(num_slices)
        ]
        written |= {f"{name}_slice{z:03}": case for z, case in enumerate(slices)}
        write_nifti(
            folder / "imagesTr" / f"{name}.nii.gz",
            np.stack([image for image, _ in slices]).astype(np.float32),
        )
        write_nifti(
            folder / "labelsTr" / f"{name}.nii.gz",
            np.stack([to_values(masks) for _, masks in slices]),
        )
        training.append(
            {"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"}
        )
    write_json(
        folder / "dataset.json",
        {
            "name": "BRATS",
            "modality": {"0": "FLAIR", "1": "T1w"},
            "labels": {"0": "background", **{str(i): n for i, n in enumerate(organs, start=1)}},
            "numTraining": num_cases,
            "training": training,
            "test": ["./imagesTs/BRATS_485.nii.gz"],
        },
    )
    return written


def write_mask_folders(folder: Path, num_cases: int = 3, image_ending: str = ".png") -> Written:
    """images/ beside masks/<class>/, the masks as GIF files."""
    written = {}
    for index in range(num_cases):
        name = f"slide-{index}"
        image, masks = written[name] = shapes_case(index)
        path = folder / "images" / f"{name}{image_ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
        for organ, mask in zip(SHAPES, masks, strict=True):
            write_mask(folder / "masks" / organ / f"{name}.gif", mask)
    return written


def write_label_folders(folder: Path, num_cases: int = 3) -> Written:
    """images/ beside labels/, whose values mean `SHAPES` from 1 on."""
    written = {}
    for index in range(num_cases):
        name = f"slide-{index}"
        image, masks = written[name] = shapes_case(index)
        write_png(folder / "images" / f"{name}.png", image)
        write_png(folder / "labels" / f"{name}.png", to_values(masks))
    return written
