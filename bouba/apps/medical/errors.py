"""What goes wrong in a radiology archive, beside what goes wrong in any gallery."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bouba.errors import BoubaError, MediaUnsupported, QueryError


class MedicalMissing(BoubaError):
    """A package that reads DICOM is not installed."""


class NoScan(MediaUnsupported):
    """A file that holds no picture that could be searched: a report, a plan, a dose, a directory."""


class StudyUnknown(QueryError):
    """The archive has no study, and no scan, of this name."""


@contextmanager
def dicom_installed() -> Iterator[None]:
    """For what needs pydicom: says how to get it where it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("bouba"):
            raise
        raise MedicalMissing(f"{error.name} is not installed: pip install 'bouba[medical]'.") from None
