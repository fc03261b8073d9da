"""Every format in, the same records out; and everything that can be wrong with a file, by file and line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bouba.errors import ManifestError
from bouba.training.data.media import File
from bouba.training.data.records import Record, read_records

ROWS = [
    {"image": "a.jpg", "captions": ["A red dog.", "A dog runs."], "split": "train"},
    {"image": "b.jpg", "captions": ["A cat."], "split": "train"},
    {"image": "c.jpg", "captions": ["A boat."], "split": "val"},
]
Writer = Callable[[str, Any], Path]


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    """write("x.jsonl", rows) or write("x.csv", text), beside a.jpg, b.jpg, c.jpg and d.wav."""
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.wav"):
        (tmp_path / name).write_bytes(name.encode())

    def write(name: str, content: Any) -> Path:
        text = content if isinstance(content, str) else "".join(json.dumps(row) + "\n" for row in content)
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


def shown(records: list[Record]) -> list[tuple[str, tuple[str, ...]]]:
    return [(r.item, r.texts) for r in records]


def test_json_lines(write: Writer, tmp_path: Path) -> None:
    first, second = read_records(write("x.jsonl", ROWS), split="train")
    assert first.texts == ("A red dog.", "A dog runs.")
    assert first.image == File(str(tmp_path), "a.jpg")
    assert (first.item, first.split, first.group, first.audio) == ("a.jpg", "train", None, None)
    assert second.image is not None
    assert second.image.read() == b"b.jpg"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.csv", "image,captions,split\na.jpg,A red dog.,train\na.jpg,A dog runs.,train\n"),
        ("x.tsv", 'File\tCaption\tSplit\na.jpg\t["A red dog.", "A dog runs."]\ttrain\n'),
        ("x.csv", "image;title\na.jpg;A red dog.\na.jpg; A dog runs. \na.jpg;A red dog.\n"),
    ],
)
def test_rows_of_one_picture_become_one_record(write: Writer, name: str, text: str) -> None:
    assert shown(read_records(write(name, text))) == [("a.jpg", ("A red dog.", "A dog runs."))]


def test_texts_of_several_columns_and_the_columns_of_items_and_groups(write: Writer) -> None:
    rows = [
        {"image": "a.jpg", "label": "goldfish", "synonyms": ["goldfish", "Carassius auratus"], "case": 7},
        {"image": "b.jpg", "label": "goldfish", "synonyms": [], "case": 7},
    ]
    records = read_records(
        write("x.jsonl", rows), text_columns=("label", "Synonyms"), item_column="case", group_column="label"
    )
    assert [r.texts for r in records] == [("goldfish", "Carassius auratus"), ("goldfish",)]
    assert {(r.item, r.group) for r in records} == {("7", "goldfish")}


def test_sounds(write: Writer) -> None:
    (heard,) = read_records(write("x.jsonl", [{"audio": "d.wav", "path": "ignored", "text": "a bark"}]))
    assert (heard.image, heard.item, heard.texts) == (None, "d.wav", ("a bark",))
    (both,) = read_records(write("x.jsonl", [{"audio": "d.wav", "image": "a.jpg"}]))
    assert (both.item, both.texts) == ("a.jpg", ())
    assert both.image is not None
    assert both.audio is not None
    (named,) = read_records(write("x.csv", "path,text\nd.wav,a bark\n"), audio_column="path")
    assert (named.image, named.audio) == (None, both.audio)


def test_another_root_and_several_files(write: Writer, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    write("lists/1.jsonl", ROWS[:1])
    write("lists/2.jsonl", ROWS[1:])
    for pattern in ("{1..2}.jsonl", "{1,2}.jsonl", "*.jsonl"):
        assert len(read_records(tmp_path / "lists" / pattern, root=tmp_path)) == 3
    with pytest.raises(ManifestError, match=r"1 of its 2 files are not there: .*3\.jsonl"):
        read_records(tmp_path / "lists" / "{2..3}.jsonl", root=tmp_path)
    with pytest.raises(ManifestError, match="names more than 100,000 files"):
        read_records(tmp_path / "lists" / "{1..999}{1..999}.jsonl")
    with pytest.raises(ManifestError, match="is not a range of 1 to 100,000 files"):
        read_records(tmp_path / "lists" / "{1..999999999}.jsonl")
    with pytest.raises(ManifestError, match="no file has such a name"):
        read_records(tmp_path / "lists" / "*.csv")


def test_texts_are_cleaned_as_queries_are(write: Writer) -> None:
    (record,) = read_records(write("x.jsonl", [{"image": "a.jpg", "captions": ["cafe\u0301\tbar ", "\x01"]}]))
    assert record.texts == ("caf\u00e9 bar",)


def many(**last: Any) -> list[dict[str, Any]]:
    """200 rows of one picture each, the last one as given."""
    return [{"image": f"{n}.jpg", "caption": "x"} for n in range(199)] + [{"image": "199.jpg", "caption": "x", **last}]


@pytest.mark.parametrize("last", [{"image": "gone.jpg"}, {"image": None}, {"image": "a\0.jpg"}])
def test_few_missing_pictures_are_left_out(write: Writer, tmp_path: Path, last: dict[str, Any]) -> None:
    for n in range(200):
        (tmp_path / f"{n}.jpg").touch()
    notes: list[str] = []
    assert len(read_records(write("x.jsonl", many(**last)), note=notes.append)) == 199
    assert len(notes) == 1
    assert "1 of 200 pictures or sounds are not there" in notes[0]


def test_records_without_text_are_left_out(write: Writer) -> None:
    notes: list[str] = []
    rows = [*ROWS, {"image": "c.jpg", "captions": [], "split": "val"}, {"image": "d.wav", "captions": ["", None]}]
    assert len(read_records(write("x.jsonl", rows), note=notes.append)) == 3
    assert notes[0].endswith("1 of 4 records without a text were left out")


BAD = {
    "not JSON": ("x.jsonl", '{"image": "a.jpg"\n', "x.jsonl, line 1 is not JSON"),
    "a list": ("x.jsonl", "[]\n", "line 1 is not a JSON object"),
    "empty": ("x.jsonl", "\n", "holds no rows"),
    "empty CSV": ("x.csv", "", "holds no rows"),
    "names only": ("x.csv", "image,caption\n", "holds no rows"),
    "ragged": ("x.csv", "image,caption\na.jpg,x\na.jpg\n", "line 3 does not have the cells"),
    "no picture column": ("x.csv", "a,caption\n1,2\n", r"\(a, caption\) names pictures or sounds: call it image"),
    "no text column": ("x.csv", "image,b\na.jpg,2\n", "is called captions or"),
    "number for a picture": ("x.jsonl", [{"image": 3, "text": "x"}], "line 1: image holds 3, not text"),
    "number for a text": ("x.jsonl", [{"image": "a.jpg", "text": [1]}], "line 1: text holds 1, not text"),
    "object for an item": ("x.jsonl", [{"image": "a.jpg", "text": "x", "split": {}}], "split holds {}, not text"),
    "half a character": ("x.jsonl", '{"image": "a.jpg", "text": "\\ud800"}', "half a character"),
    "long text": ("x.jsonl", [{"image": "a.jpg", "text": "x" * 100_001}], "line 1: text: text of 100,001 characters"),
    "address": ("x.jsonl", [{"image": "http://a/b.jpg", "text": "x"}], "line 1: image holds an address"),
    "no texts": ("x.jsonl", [{"image": "a.jpg", "text": ""}], "all 1 records are without a text"),
    "missing": ("x.jsonl", [{"image": "z.jpg", "text": "x"}], r"1 of 1 pictures .* are not there: z.jpg\. They were"),
    "both sides": (
        "x.jsonl",
        [{"image": "a.jpg", "text": "x", "split": "train"}, {"image": "a.jpg", "text": "y", "split": "val"}],
        "line 2: a.jpg has the split 'val' here and 'train' in a row before",
    ),
    "suffix": ("x.xlsx", "a", "pairs are read from .jsonl"),
    "not Parquet": ("x.parquet", "PAR1", "is not a Parquet file"),
    "not tar": ("x.tar", "x" * 2000, "is not a tar file"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_named(write: Writer, case: str) -> None:
    name, content, message = BAD[case]
    with pytest.raises(ManifestError, match=message):
        read_records(write(name, content))


def test_named_columns_and_splits_must_be_there(write: Writer, tmp_path: Path) -> None:
    path = write("x.jsonl", ROWS)
    for asked in ({"image_column": "z"}, {"text_columns": ("captions", "z")}, {"item_column": "z"}):
        with pytest.raises(ManifestError, match=r"none of its columns \(image, captions, split\) is called z"):
            read_records(path, **asked)  # type: ignore[arg-type]
    with pytest.raises(ManifestError, match="has no split 'test'; it has train, val"):
        read_records(path, split="test")
    with pytest.raises(ManifestError, match="no such file"):
        read_records(tmp_path / "gone.jsonl")
    (tmp_path / "bare").mkdir()
    with pytest.raises(ManifestError, match=r"without \.tar or \.parquet"):
        read_records(tmp_path / "bare")


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("a.jpg"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["path", "bytes", "x"]), inner),
    max_leaves=5,
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(st.dictionaries(st.sampled_from(["image", "audio", "text", "split"]), VALUES), max_size=4))
def test_any_row_is_read_or_refused(write: Writer, rows: list[dict[str, Any]]) -> None:
    try:
        records = read_records(write("x.jsonl", rows))
    except ManifestError:
        return
    assert all(record.texts or (record.image and record.audio) for record in records)


@pytest.mark.parametrize(
    ("name", "columns", "train", "val", "texts"),
    [
        ("flickr8k/pairs.jsonl", {}, 6091, 1000, 5),
        ("web/pairs.jsonl", {}, 10500, 1025, 1),
        ("objects/labels.jsonl", {"text_columns": ("label", "synonyms"), "group_column": "label"}, 4925, 1970, 2),
        ("fashion/products.jsonl", {"text_columns": ("title",)}, 4300, 995, 1),
        ("grocery/products.jsonl", {"text_columns": ("title", "description")}, 2640, 296, 2),
        ("medpix/cases.jsonl", {"item_column": "case"}, 1653, 197, 1),
        ("spoken/clips.jsonl", {}, 187, 113, 1),
    ],
)
def test_real_sets(shared: Path, name: str, columns: dict[str, Any], train: int, val: int, texts: int) -> None:
    sides = [read_records(shared / name, split=split, **columns) for split in ("train", "val")]
    assert [len(side) for side in sides] == [train, val]
    assert len(sides[0][0].texts) == texts
    assert {r.item for r in sides[0]}.isdisjoint(r.item for r in sides[1])
