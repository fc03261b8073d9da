"""Files with recordings: which recording asks for what, and what can be wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bouba.errors import ManifestError
from bouba.evaluation.data import EvaluationSet, read_set


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures and recordings; nothing here opens one, so they may be empty."""
    for name in ("a.jpg", "b.jpg", "c.jpg", "1.ogg", "2.ogg", "3.ogg"):
        (tmp_path / name).touch()
    return tmp_path


def read(folder: Path, rows: list[dict[str, Any]], **options: Any) -> EvaluationSet:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_set(folder / "rows.jsonl", **options)


def columns(data: EvaluationSet) -> list[tuple[str, tuple[int, ...], tuple[int, ...], int]]:
    """(recording, relevant pictures, texts, group)"""
    found = data.recordings
    return list(zip((p.name for p in found.paths), found.relevant, found.texts, found.groups, strict=True))


def test_a_recording_stands_beside_the_texts_of_its_row(folder: Path) -> None:
    rows = [
        {"image": "a.jpg", "captions": ["A dog.", "A red dog."], "audio": ["1.ogg", "2.ogg"]},
        {"image": "b.jpg", "captions": ["A cat."]},
        {"image": "c.jpg", "audio": "3.ogg"},
    ]
    data = read(folder, rows)
    assert data.texts == ("A dog.", "A red dog.", "A cat.")
    assert columns(data) == [("1.ogg", (0,), (0, 1), 0), ("2.ogg", (0,), (0, 1), 0), ("3.ogg", (2,), (), 2)]
    assert data.notes == ()


def test_a_recording_of_several_pictures(folder: Path) -> None:
    rows = [{"image": f"{name}.jpg", "audio": "1.ogg"} for name in "ab"] + [{"image": "c.jpg", "audio": "2.ogg"}]
    data = read(folder, rows)
    assert columns(data) == [("1.ogg", (0, 1), (), 0), ("2.ogg", (2,), (), 2)]
    assert (data.texts, data.recordings.grades) == ((), ((1.0, 1.0), (1.0,)))


def test_a_recording_of_a_name_asks_for_all_its_pictures(folder: Path) -> None:
    rows = [{"image": "a.jpg", "label": "dog", "audio": "1.ogg"}, {"image": "b.jpg", "label": "dog"},
            {"image": "c.jpg", "label": "cat", "audio": "2.ogg"}]  # fmt: skip
    data = read(folder, rows)
    assert columns(data) == [("1.ogg", (0, 1), (0,), 0), ("2.ogg", (2,), (1,), 1)]


def test_csv_and_the_columns_other_name(folder: Path) -> None:
    (folder / "rows.csv").write_text('image,sound\na.jpg,1.ogg\nb.jpg,"[""2.ogg"", ""3.ogg""]"\n')
    assert [p.name for p in read_set(folder / "rows.csv").recordings.paths] == ["1.ogg", "2.ogg", "3.ogg"]


def test_recordings_lie_beside_the_file_whatever_the_image_root(folder: Path, tmp_path: Path) -> None:
    (folder / "clips").mkdir()
    (folder / "clips/1.ogg").touch()
    rows = [{"image": "a.jpg", "audio": "1.ogg"}]
    (folder / "clips/rows.jsonl").write_text(json.dumps(rows[0]))
    data = read_set(folder / "clips/rows.jsonl", image_root=folder)
    assert data.recordings.paths == (folder / "clips/1.ogg",)


def test_more_right_pairs_are_right_for_the_recording_too(folder: Path) -> None:
    (folder / "more.jsonl").write_text(json.dumps({"image": "b.jpg", "caption": "A dog."}))
    rows = [{"image": "a.jpg", "caption": "A dog.", "audio": "1.ogg"}, {"image": "b.jpg", "caption": "A cat."}]
    assert read(folder, rows, extra_positives=folder / "more.jsonl").recordings.relevant == ((0, 1),)


def test_topics(folder: Path) -> None:
    (folder / "qrels").write_text("dog 0 a.jpg 2\ndog 0 b.jpg 1\ncat 0 c.jpg 1\nsea 0 a.jpg 0\n")
    topics = [
        {"id": "dog", "text": "a dog", "audio": ["1.ogg", "2.ogg"]},
        {"id": "cat", "audio": "3.ogg"},
        {"id": "sea", "text": "the sea", "audio": "3.ogg"},
    ]
    data = read(folder, topics, qrels=folder / "qrels")
    assert (data.texts, data.kind) == (("a dog",), "topics")
    assert columns(data) == [("1.ogg", (0, 1), (0,), 0), ("2.ogg", (0, 1), (0,), 0), ("3.ogg", (2,), (), 1)]
    assert data.recordings.grades[0] == (2.0, 1.0)
    assert data.notes == (
        "1 of 2 queries without a relevant picture were left out",
        "1 of 4 recordings without a relevant picture were left out",
    )


def test_recordings_of_topics_lie_below_the_image_root(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/qrels").write_text("dog 0 a.jpg 1\n")
    (tmp_path / "elsewhere/topics.jsonl").write_text('{"id": "dog", "audio": "1.ogg"}\n')
    data = read_set(
        tmp_path / "elsewhere/topics.jsonl", qrels=tmp_path / "elsewhere/qrels", image_root=folder
    )  # fmt: skip
    assert data.recordings.paths == (folder / "1.ogg",)


def test_a_few_missing_recordings_are_left_out(folder: Path) -> None:
    rows = [{"image": "a.jpg", "audio": f"{n}.wav"} for n in range(101)]
    for n in range(1, 101):
        (folder / f"{n}.wav").touch()
    data = read(folder, rows)
    assert (len(data.recordings), data.notes) == (100, ("1 of 101 recordings are not there and were left out: 0.wav",))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"image": "a.jpg", "audio": "gone.ogg"}], r"1 of its 1 recordings are not there: gone\.ogg\. They were"),
        ([{"image": "a.jpg", "audio": 7}], "line 1: audio holds 7, not text"),
        ([{"audio": "1.ogg"}], "names the pictures"),
        ([{"image": "a.jpg", "audio": ""}], "audio is empty for all 1 pictures"),
    ],
)
def test_errors(rows: list[dict[str, Any]], words: str, folder: Path) -> None:
    with pytest.raises(ManifestError, match=words):
        read(folder, rows)


def test_a_topic_that_asks_nothing(folder: Path) -> None:
    (folder / "qrels").write_text("dog 0 a.jpg 1\n")
    with pytest.raises(ManifestError, match="line 1 has no text: a topic has an id, and a text or audio"):
        read(folder, [{"id": "dog", "audio": []}], qrels=folder / "qrels")


def test_a_named_text_column_has_to_be_there(folder: Path) -> None:
    with pytest.raises(ManifestError, match="is called words"):
        read(folder, [{"image": "a.jpg", "audio": "1.ogg"}], text_column="words")
