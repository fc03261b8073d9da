"""DICOM files -> de-identified DICOM files in another folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.apps.medical.burned import Box, masked, writing
from bouba.apps.medical.deidentify import Pseudonyms, deidentified, told_clean_pixels
from bouba.apps.medical.dicom import frames_of, is_dicom, quiet, read_dicom
from bouba.apps.medical.importing import Refusal, Wish
from bouba.apps.medical.pixels import rendered
from bouba.apps.medical.sources import Entry, listed
from bouba.errors import BoubaError, MediaUnsupported, StoreUnavailable

if TYPE_CHECKING:
    from pydicom import Dataset

MOST_FRAMES = 512  # of one file whose writing is masked: every frame is looked at


@dataclass(slots=True)
class Cleaned:
    """What became of the files; every one is one of `written` and `refused`."""

    written: int = 0
    masked: int = 0  # files in which writing was masked
    with_writing: int = 0  # files in which writing was found and left
    refused: list[Refusal] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        counts = {"written": self.written, "masked": self.masked, "with_writing": self.with_writing}
        return {**counts, "refused": [one.to_dict() for one in self.refused]}


def clean_files(
    sources: Iterable[str | PathLike[str]],
    out: Path,
    pseudonyms: Pseudonyms,
    wish: Wish,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Cleaned:
    """To OUT/STUDY/SERIES/UID.dcm, by pseudonyms. Raises MediaMissing, MedicalMissing, StoreUnavailable."""
    report = Cleaned()
    for number, one in enumerate(listed(sources), 1):
        try:
            if not isinstance(one, Entry):
                raise MediaUnsupported("a line of a manifest: only DICOM files are de-identified to files.")
            _clean(one, out, pseudonyms, wish, report)
        except StoreUnavailable:
            raise
        except BoubaError as error:
            report.refused.append(Refusal(one.name, str(error)))
        progress(number, 0)
    return report


def _clean(entry: Entry, out: Path, pseudonyms: Pseudonyms, wish: Wish, report: Cleaned) -> None:
    data = entry.read()
    dataset = read_dicom(data)
    if not is_dicom(data):
        raise MediaUnsupported("no DICOM file.")
    lines = _writing(dataset)
    told = str(dataset.get("BurnedInAnnotation", "")).strip().upper() == "YES"
    if (lines or told) and wish.writing == "refuse":
        raise MediaUnsupported("there is writing in the picture. --writing mask masks what is found of it.")
    mask = bool(lines) and wish.writing == "mask"
    with quiet("it cannot be de-identified"):
        clean = deidentified(dataset, pseudonyms, wish.options)
        if mask:
            _mask(clean, lines)
            told_clean_pixels(clean)
    _write(clean, out, pseudonyms, dataset)
    report.written += 1
    report.masked += mask
    report.with_writing += (bool(lines) or told) and not mask


def _writing(dataset: Dataset) -> dict[int, tuple[Box, ...]]:
    """The lines of writing of each frame that has some."""
    frames = frames_of(dataset)
    if frames > MOST_FRAMES:
        raise MediaUnsupported(f"{frames:,} frames: more than the {MOST_FRAMES} that are looked through for writing.")
    found = {frame: writing(rendered(dataset, frame)) for frame in range(frames)}
    return {frame: lines for frame, lines in found.items() if lines}


def _mask(clean: Dataset, lines: Mapping[int, Sequence[Box]]) -> None:
    """What is stored below the boxes becomes black; the pixels are then no longer compressed, colours are RGB."""
    from PIL import Image
    from pydicom.pixels.utils import pixel_array

    values = np.array(pixel_array(clean))
    frames = values if frames_of(clean) > 1 else values[None]
    inverse = str(clean.PhotometricInterpretation) == "MONOCHROME1"
    for frame, boxes in lines.items():
        shape = Image.new("L", (int(clean.Columns), int(clean.Rows)), 255)
        hidden = np.asarray(masked(shape, boxes)) == 0
        frames[frame][hidden] = frames[frame].max() if inverse else min(0, int(frames[frame].min()))
    photometric = str(clean.PhotometricInterpretation)
    photometric = "RGB" if photometric.startswith("YBR") else photometric
    clean.set_pixel_data(values, photometric, int(clean.BitsStored), generate_instance_uid=False)


def _write(clean: Dataset, out: Path, pseudonyms: Pseudonyms, original: Dataset) -> None:
    """Raises StoreUnavailable."""
    study, series, instance = (str(original.get(f"{name}InstanceUID", "") or "") for name in ("Study", "Series", "SOP"))
    folder = out / pseudonyms.name("study", study) / pseudonyms.name("series", series)
    path = folder / f"{pseudonyms.name('image', instance or repr(sorted(original.keys())))}.dcm"
    with quiet("it cannot be written as DICOM"):
        data = BytesIO()
        clean.save_as(data, enforce_file_format=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(data.getvalue())
        os.replace(part, path)
    except OSError as error:
        raise StoreUnavailable(f"{folder} cannot be written: {error.strerror}. Is there space?") from error
