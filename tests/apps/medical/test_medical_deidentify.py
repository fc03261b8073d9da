"""PS3.15: each tag of the profile, with its action; nothing of a person in what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement

from bouba.apps.medical.deidentify import Options, Pseudonyms, deidentified, shifted
from bouba.apps.medical.files import clean_files
from bouba.apps.medical.importing import Wish
from bouba.apps.medical.profile import CHOICES, Action, action_of, is_private, table

SECRET = "SECRETUS"
PSEUDONYMS = Pseudonyms(b"0" * 32)
BASIC = Options(dates="remove", characteristics=False)
# A value of each representation that could give somebody away.
VALUES: dict[str, Any] = {
    "PN": f"{SECRET}^N", "DA": "19560302", "DT": "19560302101112", "TM": "101112", "AS": "077Y", "UI": "1.2.840.99.7",
    "IS": "4711", "DS": "4711.5", "US": 4711, "UL": 4711, "SS": 4711, "SL": 4711, "FL": 4711.5, "FD": 4711.5,
    "AT": 0x00100010, "OB": b"SECRETUS", "OW": b"SECRETUS", "UN": b"SECRETUS", "OF": b"SECRETUS", "UR": f"urn:{SECRET}",
    "CS": SECRET, "AE": SECRET, "LO": SECRET, "LT": SECRET, "SH": SECRET, "ST": SECRET, "UC": SECRET, "UT": SECRET,
}  # fmt: skip


def _tags() -> list[tuple[int, str]]:
    """Every row of Table E.1-1; of a repeating group its first and last member."""
    found = []
    for tag, (action, _) in table().items():
        members = [tag] if "x" not in tag else [tag[:2] + at + tag[4:].replace("x", "0") for at in ("00", "1E")]
        found += [(int(member, 16), action) for member in members]
    return found


def _element(tag: int) -> DataElement:
    vr = dictionary_VR(tag).split(" or ")[0] if dictionary_has_tag(tag) else "LO"
    if tag >> 24 == 0x50:
        vr = "OW"
    if vr == "SQ":
        item = Dataset()
        item.PatientName, item.ReferencedSOPInstanceUID = f"{SECRET}^N", "1.2.840.99.7"
        return DataElement(tag, "SQ", [item])
    return DataElement(tag, vr, VALUES[vr])


def test_the_whole_table_is_there() -> None:
    assert len(table()) == 655
    assert {action for action, _ in table().values()} == set(CHOICES)
    assert action_of(0x50000020) is Action.REMOVE  # curves
    assert action_of(0x60023000) is Action.REMOVE  # overlays
    assert action_of(0x00080060) is None  # modality
    assert is_private(0x00091001)


@pytest.mark.parametrize("nested", [False, True], ids=["top", "nested"])
def test_each_tag_of_the_profile(nested: bool) -> None:
    """At the top and within a sequence that stays."""
    wrong = []
    for tag, action in _tags():
        if tag >> 16 == 0x0002:  # of the file meta information, which is made anew
            continue
        inner, outer = Dataset(), Dataset()
        inner.add(_element(tag))
        outer.add(DataElement(0x00081115, "SQ", [inner]))  # Referenced Series Sequence, which the profile keeps
        clean = deidentified(outer if nested else inner, PSEUDONYMS, BASIC)
        if nested:
            clean = clean[0x00081115].value[0]
        if problem := _problem(clean, tag, CHOICES[action], _element(tag)):
            wrong.append(f"{tag:08X} {action}: {problem}")
    assert not wrong


def _problem(clean: Dataset, tag: int, action: Action, before: DataElement) -> str:
    if SECRET in str(clean).upper() or "1956" in str(clean.get(tag, "")):
        return "its value is still there"
    if tag in (0x00100020, 0x00100010, 0x00120062, 0x00120063, 0x00120064, 0x00280303):  # told anew
        return ""
    if action is Action.REMOVE:
        return "it is still there" if tag in clean else ""
    if tag not in clean:
        return "it is gone"
    after = clean[tag].value
    if action is Action.EMPTY:
        return "" if not after else f"{after!r} is not empty"
    if action is Action.UID and before.VR == "UI":
        return "" if after == PSEUDONYMS.uid(before.value) else f"{after!r} is no new UID"
    return "" if after not in (None, "", b"") and after != before.value else f"{after!r} is no dummy"


def test_uids_stay_consistent_between_files(scan: Any) -> None:
    one, other = (deidentified(scan(), PSEUDONYMS) for _ in range(2))
    assert one.StudyInstanceUID == other.StudyInstanceUID
    assert one.StudyInstanceUID.startswith("2.25.")
    assert len(one.StudyInstanceUID) <= 64
    assert one.SOPInstanceUID != other.SOPInstanceUID
    assert one.SOPInstanceUID == one.file_meta.MediaStorageSOPInstanceUID
    assert deidentified(scan(), Pseudonyms(b"1" * 32)).StudyInstanceUID != one.StudyInstanceUID


def test_private_and_unknown_elements_go(scan: Any) -> None:
    dataset = scan()
    dataset.add_new(0x00091010, "LO", "ACME")
    dataset.add_new(0x00091001, "UN", b"SECRETUS")
    dataset.add_new(0x00280999, "UN", b"SECRETUS")
    item = Dataset()
    item.add_new(0x00111001, "LO", SECRET)
    dataset.ReferencedSeriesSequence = [item]
    clean = deidentified(dataset, PSEUDONYMS)
    assert SECRET not in str(clean)
    assert not any(is_private(int(element.tag)) for element in clean.iterall())
    assert dataset[0x00091001].value == b"SECRETUS"  # the original is as it was


def test_dates_move_together_and_birth_never_stays(scan: Any) -> None:
    first = deidentified(scan(StudyDate="20240301", PatientBirthDate="19560302"), PSEUDONYMS)
    second = deidentified(scan(StudyDate="20240311", PatientBirthDate="19560302"), PSEUDONYMS)
    assert first.StudyDate != "20240301"
    assert int(second.StudyDate) - int(first.StudyDate) in (10, 10 + 69, 10 + 70, 10 + 72)  # over the end of a month
    assert not first.PatientBirthDate
    assert first.LongitudinalTemporalInformationModified == "MODIFIED"
    kept = deidentified(scan(StudyDate="20240301", PatientBirthDate="19560302"), PSEUDONYMS, Options(dates="keep"))
    assert kept.StudyDate == "20240301"
    assert not kept.PatientBirthDate


@pytest.mark.parametrize(
    ("value", "moved"),
    [("20240301", "20240229"), ("20240301101112.5", "20240229101112.5"), ("2024.03.01", "20240229"), ("soon", "")],
)
def test_a_day_before(value: str, moved: str) -> None:
    assert shifted(value, 1) == moved


@pytest.mark.filterwarnings("ignore:Invalid value for VR AS")
@pytest.mark.parametrize(("age", "kept"), [("045Y", "045Y"), ("089Y", "089Y"), ("101Y", "090Y"), ("old", "")])
def test_ages_stay_up_to_ninety(scan: Any, age: str, kept: str) -> None:
    dataset = scan()
    dataset.add_new(0x00101010, "AS", age)
    assert str(deidentified(dataset, PSEUDONYMS).PatientAge or "") == kept
    assert "PatientAge" not in deidentified(dataset, PSEUDONYMS, BASIC)


def test_what_was_done_is_told(scan: Any) -> None:
    clean = deidentified(scan(), PSEUDONYMS)
    assert clean.PatientIdentityRemoved == "YES"
    assert [code.CodeValue for code in clean.DeidentificationMethodCodeSequence] == ["113100", "113107", "113108"]
    basic = deidentified(scan(), PSEUDONYMS, BASIC)
    assert [code.CodeValue for code in basic.DeidentificationMethodCodeSequence] == ["113100"]


def test_files_are_written_by_pseudonyms(scan: Any, saved: Any, tmp_path: Path) -> None:
    source = saved(scan(StudyDescription=SECRET), f"{SECRET}.dcm").parent
    (source / "letter.txt").write_text("Dear Jane")
    report = clean_files([source], tmp_path / "out", PSEUDONYMS, Wish())
    assert report.written == 1
    assert [one.name for one in report.refused] == ["letter.txt"]
    (path,) = (tmp_path / "out").rglob("*.dcm")
    assert SECRET not in str(path.relative_to(tmp_path))
    assert SECRET.encode() not in path.read_bytes()
    assert b"Doe" not in path.read_bytes()


def test_writing_is_masked_in_files(scan: Any, saved: Any, tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    from bouba.apps.medical.burned import writing
    from bouba.apps.medical.dicom import read_dicom
    from bouba.apps.medical.pixels import rendered

    picture = Image.new("L", (256, 256))
    ImageDraw.Draw(picture).text((20, 20), "DOE JANE 1956", fill=255, font=ImageFont.load_default(16))
    source = saved(scan(np.asarray(picture, np.uint16) * 16, WindowCenter=2040, WindowWidth=4080), "a.dcm")
    assert writing(rendered(read_dicom(source.read_bytes())))
    report = clean_files([source], tmp_path / "out", PSEUDONYMS, Wish())
    (path,) = (tmp_path / "out").rglob("*.dcm")
    clean = read_dicom(path.read_bytes())
    assert report.masked == 1
    assert not writing(rendered(clean))
    assert clean.BurnedInAnnotation == "NO"
