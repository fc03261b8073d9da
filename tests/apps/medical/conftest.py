from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom", reason="needs pip install 'bouba[medical]'")

import bouba  # noqa: E402
from bouba.apps.medical import Archive  # noqa: E402
from bouba.encoders import Model  # noqa: E402

FILES = Path(pydicom.__file__).parent / "data"


@pytest.fixture
def archive(tmp_path: Path, tiny_model: Model) -> Iterator[Archive]:
    with bouba.open(tmp_path / "scans.bouba", tiny_model) as gallery:
        yield Archive(gallery)


@pytest.fixture(scope="session")
def dicom_files() -> Path:
    """The files that come with pydicom."""
    return FILES


@pytest.fixture
def scan() -> Callable[..., Any]:
    """scan(pixels, PatientName="Doe", ...): a data set of one frame or several, uncompressed."""

    def made(pixels: Any = None, **values: Any) -> Any:
        from pydicom.dataset import Dataset, FileMetaDataset
        from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3.4"
        dataset.PatientID, dataset.PatientName, dataset.Modality = "4711", "Doe^Jane", "CT"
        values = {"photometric": "MONOCHROME2", "bits": 16, **values}
        photometric, bits = values.pop("photometric"), values.pop("bits")
        given = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) if pixels is None else np.asarray(pixels)
        dataset.set_pixel_data(given, photometric, bits, generate_instance_uid=False)
        for name, value in values.items():
            setattr(dataset, name, value)
        return dataset

    return made


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[Any, str], Path]:
    """saved(dataset, "a/b.dcm"): as a file."""

    def save(dataset: Any, name: str) -> Path:
        path = tmp_path / "dicom" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(path, enforce_file_format=True)
        return path

    return save
