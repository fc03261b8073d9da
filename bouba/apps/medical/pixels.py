"""A frame of a DICOM data set -> an 8-bit picture as a reading room shows it (PS3.3 C.7.6.3, C.11.1, C.11.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bouba.apps.medical.dicom import quiet
from bouba.errors import MediaCorrupt, MediaUnsupported

if TYPE_CHECKING:
    from PIL.Image import Image
    from pydicom import Dataset

Values = npt.NDArray[np.float64]

_TAILS = (0.5, 99.5)  # per cent of the pixels that are let go where a file names no window
_JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"  # whose 12-bit form no permissively licensed decoder reads
_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_MACROS = ("PixelValueTransformationSequence", "FrameVOILUTSequence")


def rendered(dataset: Dataset, frame: int = 0) -> Image:
    """Mode "L" or "RGB". Raises MediaUnsupported for a compression that no installed decoder reads, MediaCorrupt."""
    from PIL import Image

    photometric = str(dataset.get("PhotometricInterpretation", "MONOCHROME2") or "MONOCHROME2").strip().upper()
    values = _decoded(dataset, frame)
    with quiet("its pixels cannot be shown"):
        if photometric == "PALETTE COLOR":
            return Image.fromarray(_coloured(values, dataset))
        if values.ndim == 3:
            return Image.fromarray(_eight_bits(values[..., :3], _stored(dataset)))
        grey = shown(values, _described(dataset, frame))
        inverse = str(dataset.get("PresentationLUTShape", "")).strip() == "INVERSE"
        return Image.fromarray(255 - grey if (photometric == "MONOCHROME1") != inverse else grey)


def _decoded(dataset: Dataset, frame: int) -> npt.NDArray[Any]:
    """[rows, columns] or [rows, columns, 3] in RGB."""
    if not any(name in dataset for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise MediaCorrupt("it has no pixels, though it tells their size.")
    with quiet("its pixels cannot be decoded"):
        from pydicom.pixels.utils import pixel_array

        syntax = dataset.file_meta.get("TransferSyntaxUID") if hasattr(dataset, "file_meta") else None
        if syntax is not None and syntax.is_compressed and not _decodable(syntax):
            raise MediaUnsupported(f"{syntax.name}: no installed decoder reads it.")
        if syntax == _JPEG_EXTENDED and _stored(dataset) > 8:
            raise MediaUnsupported(f"{syntax.name} with {_stored(dataset)} bits: no installed decoder reads it.")
        if syntax is None:
            _assume_syntax(dataset)
        return pixel_array(dataset, index=frame)


def _decodable(syntax: Any) -> bool:
    from pydicom.pixels.decoders.base import get_decoder

    try:
        return bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        return False


def _assume_syntax(dataset: Dataset) -> None:
    """Of a file without meta information: as it was read."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    implicit, little = dataset.original_encoding
    explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    dataset.file_meta = getattr(dataset, "file_meta", None) or FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit


def _described(dataset: Dataset, frame: int) -> Dataset:
    """What says how values are shown: of an enhanced object that of the frame's functional groups."""
    from pydicom import Dataset

    found = Dataset()
    wanted = ("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "VOILUTSequence", "WindowCenter")
    for source in (dataset, *_groups_of(dataset, frame)):
        for name in (*wanted, "WindowWidth", "VOILUTFunction", "PixelPaddingValue"):
            if name in source:
                found[name] = source[name]
    for name in ("PixelRepresentation", "BitsStored"):
        if name in dataset:
            found[name] = dataset[name]
    return found


def _groups_of(dataset: Dataset, frame: int) -> list[Dataset]:
    groups = []
    for name in _GROUPS:
        items = dataset.get(name) or []
        at = 0 if name == _GROUPS[0] else frame
        if at < len(items):
            groups += [item for macro in _MACROS for item in (items[at].get(macro) or [])[:1]]
    return groups


def shown(values: npt.NDArray[Any], described: Dataset) -> npt.NDArray[np.uint8]:
    """Stored values through the modality LUT and the VOI LUT, or the first window, or the range of the values."""
    from pydicom.pixels.processing import apply_modality_lut, apply_voi

    rescaled = np.asarray(apply_modality_lut(values, described), np.float64)
    if described.get("VOILUTSequence"):
        table = described.VOILUTSequence[0]
        looked_up = apply_voi(rescaled.astype(np.int64), described)
        return _eight_bits(looked_up, int(table.LUTDescriptor[2]))
    window = _window(described)
    if window is not None:
        function = str(described.get("VOILUTFunction", "LINEAR") or "LINEAR").strip().upper()
        return windowed(rescaled, *window, function)
    valid = rescaled[values != described.PixelPaddingValue] if "PixelPaddingValue" in described else rescaled
    return _stretched(rescaled, valid if valid.size else rescaled)


def windowed(values: Values, centre: float, width: float, function: str = "LINEAR") -> npt.NDArray[np.uint8]:
    """PS3.3 C.11.2.1.2 and C.11.2.1.3."""
    if function == "SIGMOID":
        share = 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -60, 60)))
    elif function == "LINEAR_EXACT":
        share = (values - centre) / width + 0.5
    else:
        share = (values - (centre - 0.5)) / max(width - 1, 1e-9) + 0.5
    return np.asarray(np.round(255 * np.clip(share, 0, 1)), np.uint8)


def _window(described: Dataset) -> tuple[float, float] | None:
    """The first of them; None where there is none that means anything."""
    try:
        centre, width = (_first(described.get(name)) for name in ("WindowCenter", "WindowWidth"))
    except (TypeError, ValueError):
        return None
    if centre is None or width is None or not np.isfinite([centre, width]).all() or width <= 0:
        return None
    return centre, width


def _first(value: Any) -> float | None:
    if value is None or (isinstance(value, str) and not value):
        return None
    several = hasattr(value, "__iter__") and not isinstance(value, str)
    return float(next(iter(value))) if several else float(value)


def _stretched(values: Values, valid: Values) -> npt.NDArray[np.uint8]:
    low, high = np.percentile(valid, _TAILS)
    if high <= low:
        low, high = float(valid.min()), float(valid.max())
    share = (values - low) / (high - low) if high > low else np.zeros_like(values)
    return np.asarray(np.round(255 * np.clip(share, 0, 1)), np.uint8)


def _coloured(values: npt.NDArray[Any], dataset: Dataset) -> npt.NDArray[np.uint8]:
    from pydicom.pixels.processing import apply_color_lut

    bits = int(dataset.RedPaletteColorLookupTableDescriptor[2])
    return _eight_bits(apply_color_lut(values, dataset)[..., :3], bits)


def _stored(dataset: Dataset) -> int:
    return int(dataset.get("BitsStored", 8) or 8)


def _eight_bits(values: npt.NDArray[Any], bits: int) -> npt.NDArray[np.uint8]:
    """Unsigned values of so many bits."""
    if bits == 8:
        return np.asarray(np.clip(values, 0, 255), np.uint8)
    return np.asarray(np.round(np.clip(values / (2.0**bits - 1), 0, 1) * 255), np.uint8)
