"""Bytes -> a DICOM data set, within limits; what holds no picture is refused with the reason.

No message repeats a value of the file: values may be names."""

from __future__ import annotations

import logging
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from bouba.apps.medical.errors import NoScan, dicom_installed
from bouba.errors import MediaCorrupt, MediaEmpty, MediaError, MediaTooLarge

if TYPE_CHECKING:
    from pydicom import Dataset

_DEFLATED = b"1.2.840.10008.1.2.1.99"
_META_LENGTH_AT = 140  # of the value of (0002,0000), behind preamble, "DICM" and the element's head
_HEAD = 1024  # bytes in which a transfer syntax is named, where there is file meta information
_NO_SCANS = {  # objects whose pixels are no picture of somebody
    "1.2.840.10008.5.1.4.1.1.481.2": "a dose distribution, no scan",
    "1.2.840.10008.5.1.4.1.1.66.4": "a segmentation, which marks another picture",
    "1.2.840.10008.5.1.4.1.1.30": "a parametric map, which measures another picture",
}


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """Bounds on one file."""

    max_bytes: int = 2**30
    max_inflated_bytes: int = 2**30  # of a file in a deflated transfer syntax
    max_frame_bytes: int = 2**28  # of one frame, decoded
    max_frames: int = 100_000
    max_pixels: int = 100_000_000  # of one frame


DEFAULT_SCAN_LIMITS = ScanLimits()


def is_dicom(data: bytes) -> bool:
    """Whether it says so; files without the preamble that PS3.10 asks for begin with a low group number."""
    return data[128:132] == b"DICM" or (len(data) > 8 and data[:4] in _FIRST_TAGS)


# (0008,0000), (0008,0001), (0008,0005), (0008,0008), (0008,0016), (0002,0000), (0002,0010), in both byte orders
_FIRST_TAGS = frozenset(
    group.to_bytes(2, order) + element.to_bytes(2, order)
    for order in ("little", "big")
    for group, elements in ((8, (0, 1, 5, 8, 0x12, 0x16)), (2, (0, 1, 0x10)))
    for element in elements
)


def read_dicom(data: bytes, *, pixels: bool = True, limits: ScanLimits = DEFAULT_SCAN_LIMITS) -> Dataset:
    """A data set with a picture; without `pixels` only what stands before them.

    Raises MediaEmpty, MediaTooLarge, NoScan, MediaCorrupt; MedicalMissing without pydicom."""
    if not data:
        raise MediaEmpty("empty, 0 bytes.")
    if len(data) > limits.max_bytes:
        raise MediaTooLarge(f"{len(data):,} bytes, the limit of one file is {limits.max_bytes:,}.")
    _check_inflated(data, limits)
    with dicom_installed():
        from pydicom import dcmread
    with quiet("it cannot be read as DICOM"):
        dataset = dcmread(BytesIO(data), force=True, stop_before_pixels=not pixels)
        _check_kind(dataset, data)
        _check_size(dataset, limits)
    return dataset


@contextmanager
def quiet(what: str) -> Iterator[None]:
    """Without pydicom's warnings, which quote values, and with any error of it as MediaCorrupt."""
    logger = logging.getLogger("pydicom")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except MediaError:
        raise
    except MemoryError:
        raise MediaTooLarge(f"{what}: there is not enough memory.") from None
    except Exception as error:  # decoders and pydicom raise anything for damaged data
        raise MediaCorrupt(f"{what} ({type(error).__name__}): the file is damaged or of an unknown kind.") from None
    finally:
        logger.setLevel(before)


def _check_inflated(data: bytes, limits: ScanLimits) -> None:
    if data[128:132] != b"DICM" or _DEFLATED not in data[:_HEAD]:
        return
    start = _META_LENGTH_AT + 4 + int.from_bytes(data[_META_LENGTH_AT : _META_LENGTH_AT + 4], "little")
    try:
        out = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[start:], limits.max_inflated_bytes + 1)
    except zlib.error:
        raise MediaCorrupt("its deflated part is damaged.") from None
    if len(out) > limits.max_inflated_bytes:
        raise MediaTooLarge(f"it inflates to more than {limits.max_inflated_bytes:,} bytes.")


def _check_kind(dataset: Dataset, data: bytes) -> None:
    """Raises NoScan, naming the SOP class: its name is the standard's, not the file's."""
    from pydicom.uid import UID

    sop_class = str(dataset.get("SOPClassUID", "") or "")
    meta = getattr(dataset, "file_meta", None)
    sop_class = sop_class or str((meta or {}).get("MediaStorageSOPClassUID", "") or "")
    if sop_class in _NO_SCANS:
        raise NoScan(f"{_NO_SCANS[sop_class]} ({UID(sop_class).name}).")
    if sop_class == "1.2.840.10008.1.3.10" or "DirectoryRecordSequence" in dataset:
        raise NoScan("a DICOMDIR, the list of a folder: the files that it names are read by themselves.")
    if "Rows" not in dataset or "Columns" not in dataset:
        if not len(dataset) or not (sop_class or is_dicom(data)):
            raise NoScan("no DICOM file.")
        name = UID(sop_class).name if sop_class in _known_classes() else "a DICOM object of no known kind"
        raise NoScan(f"{name}: it holds no picture.")


def _known_classes() -> frozenset[str]:
    from pydicom._uid_dict import UID_dictionary

    return frozenset(UID_dictionary)


def _check_size(dataset: Dataset, limits: ScanLimits) -> None:
    rows, columns = int(dataset.Rows or 0), int(dataset.Columns or 0)
    frames, samples = frames_of(dataset), int(dataset.get("SamplesPerPixel", 1) or 1)
    needed = rows * columns * samples * max(8, int(dataset.get("BitsAllocated", 8) or 8)) // 8
    if not rows or not columns:
        raise MediaCorrupt(f"a picture of {columns} x {rows} pixels.")
    if rows * columns > limits.max_pixels or needed > limits.max_frame_bytes:
        raise MediaTooLarge(f"{columns} x {rows} pixels, the limit of one frame is {limits.max_pixels:,}.")
    if frames > limits.max_frames:
        raise MediaTooLarge(f"{frames:,} frames, the limit is {limits.max_frames:,}.")


def frames_of(dataset: Dataset) -> int:
    return max(1, int(dataset.get("NumberOfFrames", 1) or 1))
