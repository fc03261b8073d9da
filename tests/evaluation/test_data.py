"""Every format in, the same set out; and everything that can be wrong with a file, by file and line."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bouba.errors import ManifestError
from bouba.evaluation.data import (
    TEMPLATES,
    EvaluationSet,
    LanguageTexts,
    fill,
    judgements_of,
    read_qrels,
    read_run,
    read_set,
    write_qrels,
    write_run,
)

PAIRS = [
    {"image": "a.jpg", "captions": ["A red dog .", "A dog runs ."], "split": "val"},
    {"image": "b.jpg", "captions": ["A cat .", "A red dog ."], "split": "val"},
    {"image": "c.jpg", "captions": ["A boat ."], "split": "train"},
]
TEXTS = ("A red dog .", "A dog runs .", "A cat .", "A red dog .")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the pictures a.jpg to c.jpg. Nothing here opens a picture, so they may be empty."""
    for name in "abc":
        (tmp_path / f"{name}.jpg").touch()
    return tmp_path


Writer = Callable[[str, str | Sequence[dict[str, Any]] | dict[str, Any]], Path]


@pytest.fixture
def write(folder: Path) -> Writer:
    """write("x.jsonl", rows), write("x.json", document) or write("x.csv", text)."""

    def write(name: str, content: str | Sequence[dict[str, Any]] | dict[str, Any]) -> Path:
        if isinstance(content, dict):
            content = json.dumps(content)
        elif not isinstance(content, str):
            content = "".join(json.dumps(row) + "\n" for row in content)
        (folder / name).write_text(content, encoding="utf-8")
        return folder / name

    return write


def names(data: EvaluationSet) -> list[str]:
    return [path.name for path in data.images]


def sentences(*texts: str) -> list[dict[str, str]]:
    return [{"raw": text} for text in texts]


KARPATHY = {
    "images": [
        {"filename": "a.jpg", "split": "val", "sentences": sentences(*TEXTS[:2])},
        {"filepath": ".", "filename": "b.jpg", "split": "val", "sentences": sentences(*TEXTS[2:])},
        {"filename": "c.jpg", "split": "restval", "sentences": sentences("A boat .")},
    ]
}
COCO = {
    "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 3, "file_name": "b.jpg"}],
    "annotations": [
        {"image_id": 7, "caption": TEXTS[0]},
        {"image_id": 3, "caption": TEXTS[2]},
        {"image_id": 7, "caption": TEXTS[1]},
        {"image_id": 3, "caption": TEXTS[3]},
    ],
}
LINES = [("a.jpg", TEXTS[0]), ("b.jpg", TEXTS[2]), ("a.jpg", TEXTS[1]), ("b.jpg", TEXTS[3])]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.jsonl", PAIRS),
        ("p.json", PAIRS),
        ("bom.jsonl", "\ufeff" + "\n\n".join(json.dumps(row) for row in PAIRS)),
        ("rows.jsonl", [{"img": image, "caption": text, "split": "val"} for image, text in LINES]),
        ("p.csv", "image,caption\n" + "".join(f'{i},"{t}"\n' for i, t in LINES)),
        ("semicolon.csv", "Image;Caption\r\n" + "".join(f"{i};{t}\r\n" for i, t in LINES)),
        ("list.csv", 'image;captions\na.jpg;"[""A red dog ."", ""A dog runs .""]"\nb.jpg;A cat .\nb.jpg;A red dog .\n'),
        ("p.tsv", "filename\ttext\tsplit\n" + "".join(f"{i}\t{t}\tval\n" for i, t in LINES)),
        ("karpathy.json", KARPATHY),
        ("coco.json", COCO),
    ],
)
def test_every_format_gives_the_same_set(write: Writer, name: str, content: Any) -> None:
    data = read_set(write(name, content), split="val")
    assert names(data) == ["a.jpg", "b.jpg"]
    assert data.texts == TEXTS
    # Equal captions stay two queries, each with its own picture: the CLIP_benchmark convention.
    assert data.relevant == ((0,), (0,), (1,), (1,))
    assert data.grades == ((1.0,),) * 4
    assert (data.name, data.kind, data.query_ids) == (name, "captions", ("1", "2", "3", "4"))


def test_splits(write: Writer) -> None:
    path = write("p.jsonl", [*PAIRS, {"image": "c.jpg", "captions": ["A ship ."]}])
    assert read_set(path, split="val").notes == ("1 row without split was left out",)
    whole = read_set(path)
    assert (whole.texts, whole.notes) == ((*TEXTS, "A boat .", "A ship ."), ())
    with pytest.raises(ManifestError, match=r"p\.jsonl has no split 'test'; it has train, val"):
        read_set(path, split="test")
    with pytest.raises(ManifestError, match=r"it has restval, val"):
        read_set(write("k.json", KARPATHY), split="train")
    assert read_set(write("c.json", COCO), split="val").notes == ("c.json names no splits: it is judged whole",)


def test_names_are_one_query_for_all_their_pictures(write: Writer) -> None:
    rows = [
        {"image": "a.jpg", "label": "dog", "synonyms": ["dog", "hound"], "kind": "pet"},
        {"image": "b.jpg", "label": "cat", "synonyms": ["cat"], "kind": "pet"},
        {"image": "c.jpg", "label": "dog ", "synonyms": ["dog"], "kind": "stray"},
    ]
    path = write("labels.jsonl", rows)
    data = read_set(path)
    assert (data.kind, data.texts, data.relevant) == ("names", ("dog", "cat"), ((0, 2), (1,)))
    assert data.grades == ((1.0, 1.0), (1.0,))
    kinds = read_set(path, text_column="kind")
    assert (kinds.kind, kinds.texts, kinds.relevant) == ("names", ("pet", "stray"), ((0, 1), (2,)))


def test_a_named_column_is_names_only_if_its_texts_are_shared(write: Writer) -> None:
    path = write("p.jsonl", [{"image": f"{n}.jpg", "captions": ["x"], "finding": f"mass {n}"} for n in "abc"])
    data = read_set(path, text_column="finding")
    assert (data.kind, data.texts) == ("captions", ("mass a", "mass b", "mass c"))
    assert read_set(path, text_column="captions") == read_set(path)
    with pytest.raises(ManifestError, match=r"\(image, captions, finding\) is called colour"):
        read_set(path, text_column="colour")


def test_languages(write: Writer) -> None:
    rows = [
        {"image": "a.jpg", "captions": ["dog"], "captions_zh": ["狗", "红狗"], "captions_ar": ["كلب"]},
        {"image": "b.jpg", "captions": ["cat"], "captions_zh": "猫"},
    ]
    path = write("p.jsonl", rows)
    data = read_set(path)
    assert data.languages == {
        "ar": LanguageTexts(("كلب",), ((0,),)),
        "zh": LanguageTexts(("狗", "红狗", "猫"), ((0,), (0,), (1,))),
    }
    chinese = read_set(path, text_column="captions_zh")
    assert (chinese.texts, chinese.kind, list(chinese.languages)) == (("狗", "红狗", "猫"), "captions", ["ar"])


def test_rows_of_one_picture_merge_and_blank_texts_are_noted(write: Writer) -> None:
    rows = [
        {"image": "a.jpg", "captions": ["one"]},
        {"image": "b.jpg", "captions": ["two", "", None]},
        {"image": "./a.jpg", "captions": ["one"]},
        {"image": "c.jpg", "captions": []},
    ]
    data = read_set(write("p.jsonl", rows))
    assert (names(data), data.texts) == (["a.jpg", "b.jpg"], ("one", "one", "two"))
    assert data.notes == ("1 of 4 rows without captions were left out",)


def test_image_root(write: Writer, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("lists") / "p.jsonl"
    write("p.jsonl", PAIRS).rename(elsewhere)
    assert read_set(elsewhere, image_root=folder).images == tuple(folder / f"{n}.jpg" for n in "abc")
    with pytest.raises(ManifestError, match=r"3 of its 3 pictures are not there: a\.jpg, b\.jpg, c\.jpg\. "):
        read_set(elsewhere)


def test_under_one_per_cent_of_the_pictures_may_be_missing(write: Writer, folder: Path) -> None:
    rows = [{"image": f"{i}.png", "captions": [f"text {i}"], "captions_zh": [f"字 {i}"]} for i in range(101)]
    for row in rows[1:]:
        (folder / row["image"]).touch()
    data = read_set(write("p.jsonl", rows))
    assert (len(data.images), data.texts[0], data.relevant[0]) == (100, "text 1", (0,))
    assert data.query_ids[0] == "2"  # numbers do not move when a picture is gone
    assert (data.languages["zh"].texts[0], data.languages["zh"].relevant[0]) == ("字 1", (0,))
    assert data.notes == (
        "1 of 101 pictures are not there and were left out: 0.png",
        "1 of 101 queries without a relevant picture were left out",
    )
    with pytest.raises(ManifestError, match="1 of its 100 pictures are not there"):
        read_set(write("p.jsonl", rows[:100]))


QRELS = "q1 0 a.jpg 2\nq1 0 b.jpg 1\nq2 0 b.jpg 0\nq3 0 c.jpg 1\n\nq9 0 c.jpg 1\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("topics.tsv", "q1\tred dog\nq2\tcat\nq3\tboat\n"),
        ("topics.txt", "q1\tred dog\nq2\tcat\nq3\tboat\n"),
        ("t.jsonl", [{"id": f"q{i + 1}", "text": t} for i, t in enumerate(["red dog", "cat", "boat"])]),
    ],
)
def test_topics_and_qrels(write: Writer, name: str, content: Any) -> None:
    data = read_set(write(name, content), qrels=write("q.qrels", QRELS))
    assert (data.kind, names(data)) == ("topics", ["a.jpg", "b.jpg", "c.jpg"])
    assert (data.texts, data.query_ids) == (("red dog", "boat"), ("q1", "q3"))
    assert (data.relevant, data.grades) == (((0, 1), (2,)), ((2.0, 1.0), (1.0,)))
    assert data.notes == (
        "1 of 5 pairs in q.qrels are about other queries or pictures",
        "1 of 3 queries without a relevant picture were left out",
    )


def test_qrels_overrule_the_pairs_that_they_judge(write: Writer) -> None:
    qrels = write("q.txt", "1 0 b.jpg 3\n2 0 a.jpg 0\n2 0 c.jpg 0.5\n")
    data = read_set(write("p.tsv", "image\tcaption\na.jpg\tdog\na.jpg\tcat\nc.jpg\tox\nb.jpg\tsea\n"), qrels=qrels)
    assert names(data) == ["a.jpg", "c.jpg", "b.jpg"]
    assert data.relevant == ((0, 2), (1,), (1,), (2,))
    assert data.grades == ((1.0, 3.0), (0.5,), (1.0,), (1.0,))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("extra.jsonl", [{"image": "b.jpg", "caption": "A dog runs ."}, {"image": "a.jpg", "caption": "A red dog ."}]),
        ("extra.qrels", "1 0 a.jpg 1\n2 0 b.jpg 1\n4 0 a.jpg 1\n3 0 b.jpg 0\n"),
    ],
)
def test_extra_positives(write: Writer, name: str, content: Any) -> None:
    """A text that two queries share gets the picture for both; grade 0 adds nothing and takes nothing away."""
    data = read_set(write("p.jsonl", PAIRS), split="val", extra_positives=write(name, content))
    assert data.relevant == ((0,), (0, 1), (1,), (0, 1))
    assert (data.grades[1], data.notes) == ((1.0, 1.0), ())


def test_extra_positives_about_other_splits(write: Writer) -> None:
    pairs = write("p.jsonl", PAIRS)
    extra = write("e.jsonl", [{"image": "c.jpg", "text": "A cat ."}, {"image": "a.jpg", "text": "A cat ."}])
    data = read_set(pairs, split="val", extra_positives=extra)
    assert data.relevant[2] == (0, 1)
    assert data.notes == ("1 of 2 pairs in e.jsonl are about other queries or pictures",)
    with pytest.raises(ManifestError, match=r"e\.jsonl: none of its 2 pairs is about a query and a picture"):
        read_set(pairs, split="train", extra_positives=extra)


def test_qrels_and_run_come_back(tmp_path: Path) -> None:
    judged = {"q 1": {"my photo.jpg": 2.0, "100%.jpg": 0.0}, "猫": {"b.jpg": 0.25}}
    write_qrels(tmp_path / "q", judged)
    assert (tmp_path / "q").read_text(encoding="utf-8").splitlines()[0] == "q%201 0 my%20photo.jpg 2"
    assert read_qrels(tmp_path / "q") == judged
    run = {"q1": {"b.jpg": 0.1, "a b.jpg": 0.7000000000000001, "c.jpg": 0.1}}
    write_run(tmp_path / "r", run, tag="my model")
    assert (tmp_path / "r").read_text(encoding="utf-8").splitlines() == [
        "q1 Q0 a%20b.jpg 1 0.7000000000000001 my%20model",
        "q1 Q0 b.jpg 2 0.1 my%20model",
        "q1 Q0 c.jpg 3 0.1 my%20model",
    ]
    assert list(read_run(tmp_path / "r")["q1"].items()) == [
        ("a b.jpg", 0.7000000000000001),
        ("b.jpg", 0.1),
        ("c.jpg", 0.1),
    ]


ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(st.dictionaries(ids, st.dictionaries(ids, st.floats(-1e6, 1e6), min_size=1), min_size=1))
def test_any_ids_come_back(tmp_path_factory: pytest.TempPathFactory, judged: dict[str, dict[str, float]]) -> None:
    path = tmp_path_factory.mktemp("trec") / "file"
    write_qrels(path, judged)
    assert read_qrels(path) == judged
    write_run(path, judged)
    assert read_run(path) == judged


def test_a_set_written_as_qrels_and_read_back_is_the_same(write: Writer, folder: Path) -> None:
    pairs = write("p.jsonl", PAIRS)
    data = read_set(pairs, split="val")
    assert judgements_of(data)["4"] == {"b.jpg": 1.0}
    write_qrels(folder / "out.qrels", judgements_of(data))
    assert read_set(pairs, split="val", qrels=folder / "out.qrels") == data


IMAGE = {"filename": "a.jpg", "sentences": sentences("x")}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.jsonl", '{"image": "a.jpg", "caption": "x"}\n\n{"image": ', r"x\.jsonl, line 3 is not JSON"),
        ("x.jsonl", "[" * 100_000, r"line 1 is not JSON"),
        ("x.jsonl", "[1]\n", r"line 1 is not a JSON object"),
        ("x.jsonl", "", r"holds no rows"),
        ("x.jsonl", [{"caption": "x"}], r"none of its columns \(caption\) names the pictures"),
        ("x.jsonl", [{"image": "a.jpg", "colour": "x"}], r"\(image, colour\) is called captions or"),
        ("x.jsonl", [{"image": "a.jpg", "caption": "x"}, {"caption": "y"}], r"line 2: no picture under 'image'"),
        ("x.jsonl", [{"image": 3, "caption": "x"}], r"line 1: image holds 3, not text"),
        ("x.jsonl", [{"image": "a.jpg", "label": 3}], r"line 1: label holds 3, not text"),
        ("x.jsonl", [{"image": "a.jpg", "captions": ["x", {"raw": 1}]}], r"line 1: captions holds \{'raw': 1\}, not"),
        ("x.jsonl", [{"image": "a.jpg", "caption": "x", "split": 1}], r"line 1: split holds 1, not text"),
        ("x.jsonl", '{"image": "a.jpg", "caption": "\\ud800"}', r"line 1: caption holds half a character"),
        ("x.jsonl", [{"image": "a.jpg", "caption": ""}], r"x\.jsonl: caption is empty for all 1 pictures"),
        ("x.jsonl", [{"image": "a\0.jpg", "caption": "x"}], r"1 of its 1 pictures are not there: a\\x00\.jpg"),
        ("x.jsonl", [{"image": "a" * 5000, "caption": "x"}], r"1 of its 1 pictures are not there"),
        ("x.csv", "", r"holds no rows"),
        ("x.csv", "image,caption\na.jpg,x\nb.jpg\n", r"x\.csv, line 3 does not have the cells .* image, caption"),
        ("x.csv", "image,caption\na.jpg,x,y\n", r"line 2 does not have the cells"),
        ("x.csv", 'image,caption\na.jpg,"x\nb.jpg,y\n', r"x\.csv, line 2 is not CSV"),
        ("x.tsv", 'image\tcaption\na.jpg\t"x" y\n', r"x\.tsv, line 2 is not CSV"),
        ("x.json", '{"images": [\n{]}', r"x\.json, line 2 is not JSON"),
        ("x.json", "[" * 100_000, r"x\.json is not JSON that can be read"),
        ("x.json", {"rows": []}, r"without 'images' is not COCO's or Karpathy's"),
        ("x.json", {"images": {}}, r"x\.json: images is not a list"),
        ("x.json", {"images": [IMAGE, 3]}, r"x\.json, images\[1\] is not an object"),
        ("x.json", {"images": [{"filename": "a.jpg"}]}, r"images\[0\]: sentences is not a list"),
        ("x.json", {"images": [{"sentences": []}]}, r"images\[0\] has no filename"),
        ("x.json", {"images": [{**IMAGE, "sentences": [{"tokens": []}]}]}, r"images\[0\], sentences\[0\] has no raw"),
        ("x.json", {"images": []}, r"captions is empty for all 0 pictures"),
        ("x.json", {**COCO, "annotations": [{"image_id": 4, "caption": "x"}]}, r"annotations\[0\]: no image has"),
        ("x.json", {**COCO, "annotations": [{"image_id": 7, "bbox": []}]}, r"annotations\[0\] has no caption"),
        ("x.json", {**COCO, "images": [*COCO["images"], {"id": 7, "file_name": "c"}]}, r"images\[2\]: a second image"),
        ("x.json", {**COCO, "images": [{"id": [7], "file_name": "c"}]}, r"images\[0\]: id holds \[7\]"),
        ("x.parquet", "PAR1", r"pairs are read from \.jsonl"),
        ("x.txt", "q1\tdog\n", r"topics \(\.tsv, \.jsonl\) need qrels"),
    ],
)  # fmt: skip
def test_malformed_files_are_named_with_their_line(write: Writer, name: str, content: Any, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        read_set(write(name, content))


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".json", ".tsv"])
def test_files_that_are_no_text(folder: Path, suffix: str) -> None:
    path = folder / f"x{suffix}"
    path.write_bytes(b"image,caption\na.jpg,caf\xe9\n")
    with pytest.raises(ManifestError, match=rf"x{suffix}, line 2 is not UTF-8"):
        read_set(path)
    with pytest.raises(ManifestError, match="no such file"):
        read_set(folder / f"none{suffix}")
    (folder / f"folder{suffix}").mkdir()
    with pytest.raises(ManifestError, match="no such file"):
        read_set(folder / f"folder{suffix}")


@pytest.mark.parametrize(
    ("topics", "qrels", "message"),
    [
        ("q1\tdog\n", "q1 0 a.jpg\n", r"q, line 1 has 3 fields, not the 4 of 'qid iter docid grade'"),
        ("q1\tdog\n", "q1 0 a.jpg 1\nq1 0 a.jpg x\n", r"q, line 2: 'x' is not a number"),
        ("q1\tdog\n", "q1 0 a.jpg nan\n", r"line 1: 'nan' is not a number"),
        ("q1\tdog\n", "q1 0 a.jpg 1\nq1 0 a.jpg 2\n", r"line 2: query q1 has a\.jpg a second time: 1 before, 2 here"),
        ("q1\tdog\n", "\n", r"holds no lines"),
        ("q1\tdog\nq2\n", "q1 0 a.jpg 1\n", r"t\.tsv, line 2 has no text"),
        ("\tdog\n", "q1 0 a.jpg 1\n", r"t\.tsv, line 1 has no id"),
        ("q1\tdog\nq1\tcat\n", "q1 0 a.jpg 1\n", r"t\.tsv, line 2: a second topic has the id q1"),
        ("", "q1 0 a.jpg 1\n", r"t\.tsv holds no topics"),
        ("q1\tdog\n", "q2 0 a.jpg 1\n", r"none of its 1 pairs is about a query"),
        ("q1\tdog\n", "q1 0 a.jpg 0\n", r"none of its 1 queries has a picture"),
        ("q1\tdog\n", "q1 0 z.jpg 1\n", r"1 of its 1 pictures are not there: z\.jpg"),
    ],
)
def test_malformed_topics_and_qrels(write: Writer, topics: str, qrels: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        read_set(write("t.tsv", topics), qrels=write("q", qrels))


def test_what_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot be written"):
        write_qrels(tmp_path / "no" / "q", {"1": {"a": 1.0}})
    with pytest.raises(ManifestError, match="without an id"):
        write_run(tmp_path / "r", {"": {"a": 1.0}})


@given(st.binary(max_size=200), st.sampled_from([".jsonl", ".csv", ".tsv", ".json"]))
def test_any_bytes_end_in_a_manifest_error(tmp_path_factory: pytest.TempPathFactory, data: bytes, suffix: str) -> None:
    path = tmp_path_factory.mktemp("bytes") / f"x{suffix}"
    path.write_bytes(data)
    with pytest.raises(ManifestError):
        read_set(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("a.jpg"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["filename", "sentences", "raw", "id", "file_name"]), inner, max_size=3)
    ),
    max_leaves=8,
)
rows = st.dictionaries(st.sampled_from(["image", "captions", "split", "images", "annotations"]), json_values)


@given(rows, st.sampled_from([".jsonl", ".json"]))
def test_any_json_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, row: dict[str, Any], suffix: str
) -> None:
    folder = tmp_path_factory.mktemp("json")
    (folder / "a.jpg").touch()
    path = folder / f"x{suffix}"
    path.write_text(json.dumps(row), encoding="utf-8")
    try:
        data = read_set(path)
    except ManifestError:
        return
    assert data.texts
    assert all(relevant for relevant in data.relevant)


def test_templates_hold_one_name() -> None:
    assert fill("pair of {scissors}", "a photo of a {}") == "a photo of a pair of {scissors}"
    assert all(t.count("{}") == 1 for templates in TEMPLATES.values() for t in templates)


@pytest.mark.parametrize(
    ("file", "split", "kind", "images", "queries"),
    [
        ("flickr8k/pairs.jsonl", "val", "captions", 1000, 5000),
        ("objects/labels.jsonl", "val", "names", 1970, 197),
        ("fashion/products.jsonl", "val", "names", 995, 688),
        ("grocery/products.jsonl", "val", "names", 296, 60),
        ("medpix/cases.jsonl", "val", "captions", 197, 197),
        ("web/pairs.jsonl", "val", "captions", 1025, 1025),
        ("scenes/pairs.jsonl", None, "captions", 1499, 1499),
        ("spoken/clips.jsonl", "val", "captions", 113, 113),
    ],
)
def test_the_sets_beside_the_checkout(
    shared: Path, file: str, split: str | None, kind: str, images: int, queries: int
) -> None:
    data = read_set(shared / file, split=split)
    assert (data.kind, len(data.images), len(data.texts), data.notes) == (kind, images, queries, ())
    assert sum(map(len, data.relevant)) == max(images, queries)
