"""DICOM files as they are found: every one is a picture or is refused with a reason, and pictures are shown right."""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bouba.apps.medical.dicom import ScanLimits, frames_of, read_dicom
from bouba.apps.medical.errors import NoScan
from bouba.apps.medical.pixels import rendered, windowed
from bouba.errors import MediaCorrupt, MediaEmpty, MediaError, MediaTooLarge, MediaUnsupported

REFUSED = {
    "rtplan.dcm": "RT Plan Storage: it holds no picture.",
    "rtdose.dcm": "a dose distribution",
    "reportsi.dcm": "Basic Text SR Storage",
    "waveform_ecg.dcm": "12-lead ECG Waveform Storage",
    "liver_1frame.dcm": "a segmentation",
    "MR_truncated.dcm": "damaged",
    "JPEG-lossy.dcm": "JPEG Extended (Process 2 and 4) with 12 bits: no installed decoder reads it.",
    "README.txt": "no DICOM file.",
}


def _bytes(dataset: Any) -> bytes:
    out = BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def test_each_file_of_pydicom_is_shown_or_refused(dicom_files: Path) -> None:
    shown, refused = set(), {}
    for path in sorted(path for path in dicom_files.rglob("*") if path.is_file()):
        try:
            dataset = read_dicom(path.read_bytes())
            picture = rendered(dataset, frames_of(dataset) - 1)
            assert picture.size == (dataset.Columns, dataset.Rows)
            shown.add(path.name)
        except MediaError as error:
            refused[path.name] = str(error)
    assert {name: text for name, text in REFUSED.items() if text not in refused.get(name, "")} == {}
    assert all(len(reason) > 10 for reason in refused.values())
    compressed = {"JPEG2000.dcm", "MR_small_RLE.dcm", "MR_small_jpeg_ls_lossless.dcm", "SC_rgb_jpeg_dcmtk.dcm"}
    others = {"image_dfl.dcm", "examples_palette.dcm", "examples_ybr_color.dcm", "SC_rgb_rle_32bit_2frame.dcm"}
    assert compressed | others <= shown
    assert len(shown) >= 90


def test_one_picture_in_six_encodings_is_one_picture(dicom_files: Path) -> None:
    names = ("MR_small", "MR_small_RLE", "MR_small_bigendian", "MR_small_implicit", "MR_small_jp2klossless")
    pictures = [
        np.asarray(rendered(read_dicom((dicom_files / "test_files" / f"{name}.dcm").read_bytes())))
        for name in (*names, "MR_small_jpeg_ls_lossless")
    ]
    assert all(np.array_equal(pictures[0], other) for other in pictures[1:])


def test_a_window_is_applied(scan: Any) -> None:
    dataset = scan(np.array([[0, 100], [150, 300]], np.uint16), WindowCenter=100, WindowWidth=101)
    assert np.asarray(rendered(dataset)).tolist() == [[0, 129], [255, 255]]  # PS3.3 C.11.2.1.2.1


def test_rescaling_comes_before_the_window(scan: Any) -> None:
    plain = scan(np.array([[1000, 1050], [1100, 1200]], np.uint16), WindowCenter=[1050, 0], WindowWidth=[101, 1])
    hounsfield = scan(np.array([[1000, 1050], [1100, 1200]], np.uint16), WindowCenter=50, WindowWidth=101)
    hounsfield.RescaleSlope, hounsfield.RescaleIntercept = 1, -1000
    assert np.array_equal(np.asarray(rendered(plain)), np.asarray(rendered(hounsfield)))


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_window_functions_rise_through_the_middle(function: str) -> None:
    out = windowed(np.array([-1e6, 40.0, 1e6]), 40.0, 400.0, function)
    assert out[0] == 0
    assert out[1] in (127, 128)
    assert out[2] == 255


def test_monochrome1_is_inverted(scan: Any) -> None:
    pixels = np.array([[0, 1000], [2000, 4000]], np.uint16)
    plain, inverse = scan(pixels), scan(pixels, photometric="MONOCHROME1")
    assert np.array_equal(np.asarray(rendered(plain)), 255 - np.asarray(rendered(inverse)))


def test_signed_values_without_a_window_are_stretched(scan: Any) -> None:
    out = np.asarray(rendered(scan(np.linspace(-1000, 3000, 64 * 64).reshape(64, 64).astype(np.int16))))
    assert out.min() == 0
    assert out.max() == 255


def test_an_enhanced_object_shows_each_frame_with_its_own_window(scan: Any) -> None:
    from pydicom import Dataset

    dataset = scan(np.full((2, 8, 8), 100, np.uint16))
    groups = []
    for centre in (100, 1000):
        window, group = Dataset(), Dataset()
        window.WindowCenter, window.WindowWidth = centre, 51
        group.FrameVOILUTSequence = [window]
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = groups
    assert np.asarray(rendered(dataset, 0)).mean() == pytest.approx(130, abs=3)
    assert np.asarray(rendered(dataset, 1)).max() == 0


def test_what_is_too_large_is_refused(scan: Any) -> None:
    data = _bytes(scan())
    with pytest.raises(MediaTooLarge, match="the limit of one file is 10"):
        read_dicom(data, limits=ScanLimits(max_bytes=10))
    with pytest.raises(MediaTooLarge, match="64 x 64 pixels"):
        read_dicom(data, limits=ScanLimits(max_pixels=100))
    with pytest.raises(MediaTooLarge, match="5 frames, the limit is 4"):
        read_dicom(_bytes(scan(NumberOfFrames=5)), limits=ScanLimits(max_frames=4))


def test_a_deflated_bomb_is_refused(scan: Any) -> None:
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    dataset = scan()
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data = _bytes(dataset)
    length = int.from_bytes(data[140:144], "little")
    press = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bomb = data[: 144 + length] + press.compress(bytes(5_000_000)) + press.flush()
    assert len(bomb) < 10_000
    with pytest.raises(MediaTooLarge, match="inflates to more than 1,000,000"):
        read_dicom(bomb, limits=ScanLimits(max_inflated_bytes=1_000_000))


@pytest.mark.parametrize("cut", [200, 400, 700])
def test_no_message_repeats_a_value(scan: Any, cut: int) -> None:
    data = _bytes(scan(PatientName="Secretus^Nomen"))[:cut]
    with pytest.raises((MediaCorrupt, NoScan)) as caught:
        rendered(read_dicom(data))
    assert "Secret" not in str(caught.value)


def test_nothing_and_noise_are_refused() -> None:
    with pytest.raises(MediaEmpty):
        read_dicom(b"")
    with pytest.raises(MediaError):
        read_dicom(np.random.default_rng(0).bytes(5000))
    with pytest.raises(NoScan, match="no DICOM file"):
        read_dicom(b"hello, I am a letter about a patient")


def test_a_compression_that_nobody_reads_is_named(scan: Any) -> None:
    from pydicom.uid import MPEG2MPML

    dataset = scan()
    dataset.file_meta.TransferSyntaxUID = MPEG2MPML
    with pytest.raises(MediaUnsupported, match="MPEG2 Main Profile"):
        rendered(dataset)
