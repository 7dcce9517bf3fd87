"""Names formats that are not read, so that a refusal says what the file is."""

_PAIR = "the header of Analyze or of a NIfTI pair (.hdr/.img)"
_HEADS = (
    (b"NRRD", "NRRD"),
    (b"ObjectType", "MetaImage"),
    (b"# === DATA", "Philips PAR/REC"),
    (b"CDF", "NetCDF (MINC 1)"),
    (b"\x89HDF", "HDF5 (MINC 2)"),
    (b"MATRIX7", "ECAT 7"),
    (b"SV10", "a Siemens CSA header"),
    (b"TRACK\0", "TrackVis streamlines"),
    (b"mrtrix tracks", "MRtrix streamlines"),
    (b"<?xml", "XML (GIFTI and others)"),
    (b"\x93NUMPY", "NumPy"),
    (b"RIFF", "RIFF (WebP)"),
    (b"\0\0\0\x0cjP", "JPEG 2000 outside DICOM"),
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"BZh", "a bzip2 file"),
    (b"\x1f\x8b", "a gzip file that is no .nii.gz"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
    *((size.to_bytes(4, order), _PAIR) for size in (348, 540) for order in ("little", "big")),
)
_SUFFIXES = (
    ((".head", ".brik", ".brik.gz"), "AFNI HEAD/BRIK"),
    ((".rec",), "Philips PAR/REC"),
    ((".mgz", ".mgh"), "FreeSurfer MGH"),
    ((".nii.bz2",), "NIfTI within bzip2"),
    ((".dcm.gz",), "DICOM within gzip"),
)


def name_format(head: bytes, name: str) -> str:
    """Says what a file is by its name in small letters, or by its first bytes."""
    by_name = (title for suffixes, title in _SUFFIXES if name.endswith(suffixes))
    by_head = (title for start, title in _HEADS if head.startswith(start))
    title = next(by_name, None) or next(by_head, None)
    beginning = f"a file that begins with {head[:8]!r}"
    return beginning if title is None else f"{title}, {beginning}"
