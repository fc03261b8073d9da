from __future__ import annotations

import base64
import errno
import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bouba.errors import StoreUnavailable
from bouba.evaluation.report import table, write_report
from bouba.evaluation.results import Comparison, Direction, Evaluation, Example, Hub, Interval, Shown, Slice

Paint = Callable[..., Path]
VOID = {"meta", "img", "link", "br", "hr", "input"}
HOSTILE = '"><script>alert(1)</script><img src=http://evil/x onerror=alert(1)>\x1b[31m\u202e\udcff&'


def share(value: float) -> Interval:
    return Interval(value, value - 0.012, value + 0.013)


def figures(hit_rate: float) -> dict[str, Interval]:
    return {
        "hit_rate@1": share(hit_rate / 2),
        "hit_rate@10": share(hit_rate),
        "precision@10": share(hit_rate / 10),
        "mAP": share(hit_rate * 0.6),
        "median_rank": Interval(4.5, 4, 5),
    }


def one_direction(name: str, queries: tuple[str, str], items: tuple[str, str], word: str = "") -> Direction:
    shown = (Shown(items[1], 0.41, False), Shown(items[0], 0.39, True))
    return Direction(
        name + word,
        queries=5000,
        items=1000,
        metrics=figures(0.673),
        hit_curve=((1, 0.34), (5, 0.5), (10, 0.673), (100, 0.95)),
        slices=(
            Slice("typos" + word, "text" + word, "one letter in each long word, p = 0.3" + word, 5000, figures(0.612)),
            Slice("Chinese" + word, "language" + word, "captions_zh" + word, 812, figures(0.68)),
        ),
        best=(Example(queries[0], 2, items[0], shown),),
        worst=(Example(queries[1], 812, items[0], shown[:1]),),
        hubs=(Hub(items[1], 142, 50.0),),
        comparisons=(
            Comparison("mAP", "tiny" + word, Interval(0.018, 0.009, 0.027), 0.0004, "base is better by 1.8." + word),
        ),
    )


def evaluation(photos: tuple[str, str], word: str = "") -> Evaluation:
    texts = ("a red house" + word, "dogs on ice" + word)
    directions = (
        one_direction("text_to_image", texts, photos, word),
        one_direction("image_to_text", photos, texts, word),
    )
    return Evaluation(
        "base 1.0" + word, "3f9a" + word, "pairs.jsonl" + word, "val" + word, 7, directions, 41.27, ("2 rows left out",)
    )


@pytest.fixture
def photos(paint: Paint) -> tuple[str, str]:
    return str(paint("red", size=(640, 480))), str(paint("blue", size=(300, 900)))


@pytest.fixture
def judged(photos: tuple[str, str]) -> Evaluation:
    return evaluation(photos)


class Document(HTMLParser):
    """What a page holds; fails on tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._open = self._open if tag in VOID else self._open[:-1]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def values(self, tag: str, name: str) -> list[str]:
        return [value for t, n, value in self.attributes if (t, n) == (tag, name)]


def written(found: Evaluation, folder: Path, *others: Evaluation) -> Document:
    write_report(found, folder, others)
    return Document((folder / "report.html").read_text(encoding="utf-8"))


def test_table_has_metrics_slices_and_comparisons(judged: Evaluation) -> None:
    lines = table(judged).splitlines()
    rows = [line.split() for line in lines]
    assert lines[0] == "base 1.0 on pairs.jsonl, split val (seed 7)"
    assert "text_to_image: 5,000 queries, 1,000 items" in lines
    assert ["hit_rate@10", "67.3", "66.1", "to", "68.6"] in rows
    assert ["median_rank", "4.5", "4", "to", "5"] in rows
    assert ["typos", "61.2", "60.0", "to", "62.5", "-6.1", "5,000"] in rows
    assert ["Chinese", "68.0", "66.8", "to", "69.3", "+0.7", "812"] in rows
    assert lines[-1] == "  base is better by 1.8."


@pytest.mark.parametrize("word", ["", " very long" * 40, "图" * 90, HOSTILE])
def test_table_fits_the_terminal_and_holds_no_control_characters(word: str) -> None:
    text = table(evaluation(("a", "b"), word))
    text.encode()
    assert all(line.isprintable() for line in text.splitlines())
    assert max(len(line) + line.count("图") for line in text.splitlines()) <= 100


def test_table_without_usual_metrics_or_values() -> None:
    slices = (Slice("loud", "sound", "noise", 3, {"own_share": share(0.2)}),)
    metrics = {"own_share": Interval(float("nan"), 0.1, 0.2)}
    found = Evaluation("m", "f", "d", None, 0, (Direction("audio_to_image", 3, 4, metrics, (), slices),), 0.1)
    lines = [line.split() for line in table(found).splitlines()]
    assert ["own_share", "–", "10.0", "to", "20.0"] in lines
    assert ["loud", "20.0", "18.8", "to", "21.3", "–", "3"] in lines


def test_slices_without_a_common_metric_are_left_out(tmp_path: Path) -> None:
    slices = (Slice("loud", "sound", "noise", 3, {"other": share(0.2)}),)
    found = Evaluation("m", "f", "d", None, 0, (Direction("x", 3, 4, {"mAP": share(0.5)}, (), slices),), 0.1)
    assert "loud" not in table(found)
    assert written(found, tmp_path).tags["caption"] == 0


def test_page_shows_every_section(judged: Evaluation, tmp_path: Path) -> None:
    page = written(judged, tmp_path)
    for words in (
        "Text to image",
        "Image to text",
        "Best queries",
        "Worst queries",
        "Hubs",
        "What was changed",
        "Notes",
    ):
        assert words in page.text
    for words in (
        "67.3",
        "66.1 to 68.6",
        "−6.1",
        "base is better by 1.8.",
        "p < 0.001",
        "first right answer at rank 812",
    ):
        assert words in page.text
    assert "one letter in each long word, p = 0.3" in page.text
    assert page.tags["h1"] == 1
    assert page.values("html", "lang") == ["en"]
    assert "prefers-color-scheme: dark" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_page_shows_a_picture_for_each_picture(judged: Evaluation, photos: tuple[str, str], tmp_path: Path) -> None:
    page = written(judged, tmp_path)
    # text_to_image: wanted and shown of two examples, and a hub; image_to_text: two queries
    assert page.tags["img"] == (1 + 2) + (1 + 1) + 1 + 2
    assert set(page.values("img", "alt")) == {Path(photo).name for photo in photos}
    assert page.values("li", "class").count("right") == 2
    for source in page.values("img", "src"):
        head, _, data = source.partition(",")
        with Image.open(BytesIO(base64.b64decode(data))) as picture:
            assert (head, picture.format) == ("data:image/jpeg;base64", "JPEG")
            assert max(picture.size) <= 160


def test_page_needs_nothing_else(judged: Evaluation, tmp_path: Path) -> None:
    page = written(judged, tmp_path, judged)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert all(
        value.startswith(("#", "data:image/jpeg;base64,")) for _, n, value in page.attributes if n in ("src", "href")
    )
    assert not {"script", "link", "iframe", "object", "embed", "form"} & set(page.tags)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "url(" not in text
    assert "@import" not in text
    assert "http" not in text.replace("http-equiv", "")


def test_anchors_lead_somewhere_and_ids_are_unique(judged: Evaluation, tmp_path: Path) -> None:
    page = written(judged, tmp_path)
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {href[1:] for href in page.values("a", "href")} <= set(ids)
    assert {value for _, name, value in page.attributes if name == "aria-labelledby"} <= set(ids)


def test_charts_and_tables_are_named(judged: Evaluation, tmp_path: Path) -> None:
    page = written(judged, tmp_path)
    charts = page.values("svg", "role").count("img")
    assert charts == 1 + 2 * 3  # the curve; each direction's whole and two slices
    assert len([value for value in page.values("svg", "aria-label") if value]) == charts
    assert len(page.values("th", "scope")) == page.tags["th"]


def test_bars_end_where_the_figures_are(judged: Evaluation, tmp_path: Path) -> None:
    page = written(judged, tmp_path)
    assert page.values("rect", "width")[1] == f"{100 * 0.673 / 0.8:.2f}%"  # the axis ends at 80 %
    assert page.values("polyline", "points")[0].split()[0] == "0.00,66.00"  # 34 of 100, from above
    assert page.values("polyline", "points")[0].split()[-1] == "100.00,5.00"


def test_hostile_words_change_nothing_but_words(photos: tuple[str, str], tmp_path: Path) -> None:
    tame = written(evaluation(photos, " tame"), tmp_path / "tame", evaluation(photos, " tame"))
    hostile = written(evaluation(photos, HOSTILE), tmp_path / "hostile", evaluation(photos, HOSTILE))
    assert hostile.tags == tame.tags
    assert [(t, n) for t, n, _ in hostile.attributes] == [(t, n) for t, n, _ in tame.attributes]
    assert "<script>alert(1)</script>" in hostile.text
    raw = (tmp_path / "hostile" / "report.html").read_text(encoding="utf-8")
    assert [words for words in ("\x1b", "\u202e", "<script") if words in raw] == []


def test_hostile_file_names(paint: Paint, tmp_path: Path) -> None:
    photo = str(paint("red", '"><script>alert(1)<!--.png'))
    page = written(evaluation((photo, photo)), tmp_path / "report")
    assert page.tags["script"] == 0
    assert set(page.values("img", "alt")) == {Path(photo).name}


def test_unreadable_and_missing_pictures(photos: tuple[str, str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    page = written(evaluation((str(broken), str(tmp_path / "gone.jpg"))), tmp_path / "report")
    assert page.tags["img"] == 0
    assert "broken.jpg, cannot be read" in page.values("span", "aria-label")
    assert str(tmp_path / "gone.jpg") in page.text


@pytest.mark.parametrize("item", ["x" * 5000 + ".jpg", "nul\0.jpg", "folder.jpg", ""])
def test_words_that_look_like_files_are_words(item: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.jpg").mkdir()
    page = written(evaluation((item, item)), tmp_path / "report")
    assert page.tags["img"] == 0
    assert "unreadable" not in page.values("span", "class")


def test_empty_parts_are_left_out(tmp_path: Path) -> None:
    bare = Direction("text_to_image", 10, 10, figures(0.5), ())
    page = written(Evaluation("m", "f", "d", None, 0, (bare,), 0.1), tmp_path)
    for words in (
        "Best",
        "Worst",
        "Hubs",
        "Compared",
        "changed",
        "Notes",
        "Other forms",
        "first k",
        "Split",
        "Against",
    ):
        assert words not in page.text
    assert page.tags["svg"] == 0


def test_an_evaluation_without_directions(tmp_path: Path) -> None:
    nothing = Evaluation("m", "f", "d", None, 0, (), 0.1, ("no pairs",))
    assert "no pairs" in written(nothing, tmp_path).text
    assert table(nothing).endswith("Note: no pairs")


def test_other_models_are_dashed_and_have_a_column(judged: Evaluation, tmp_path: Path) -> None:
    other = replace(judged, model="tiny 0.1", directions=judged.directions[:1])
    page = written(judged, tmp_path, other)
    assert page.values("polyline", "class") == ["c1", "c2", "c1 dashed"]
    assert "Text to image, tiny 0.1" in page.text
    heads = page.text.split("All metrics")
    assert "tiny 0.1" in heads[1][:120]  # where both have the direction
    assert "tiny 0.1" not in heads[2]


def test_large_pictures_keep_the_page_small(paint: Paint, tmp_path: Path) -> None:
    photo = str(paint("red", "large.jpg", size=(1600, 1200)))
    written(evaluation((photo, photo)), tmp_path / "report")
    assert (tmp_path / "report" / "report.html").stat().st_size < 250_000


def test_metrics_round_trip(judged: Evaluation, tmp_path: Path) -> None:
    write_report(judged, tmp_path / "a" / "b")
    text = (tmp_path / "a" / "b" / "metrics.json").read_text(encoding="utf-8")
    assert json.loads(text) == judged.to_dict()
    assert text.startswith('{\n  "model": "base 1.0"')


def test_metrics_without_value_are_null(judged: Evaluation, tmp_path: Path) -> None:
    metrics = {"mAP": Interval(float("nan"), float("-inf"), float(np.inf))}
    write_report(replace(judged, directions=(Direction("d", 1, 1, metrics, ()),)), tmp_path)
    found = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert found["d"]["mAP"] is None
    assert found["d"]["intervals"]["mAP"] == [None, None]


def test_a_folder_that_cannot_be(judged: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable, match="file"):
        write_report(judged, tmp_path / "file")
    (tmp_path / "out" / "report.html").mkdir(parents=True)
    with pytest.raises(StoreUnavailable, match=r"report\.html cannot be written"):
        write_report(judged, tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out")) == ["metrics.json", "report.html"]


def test_a_full_disk_leaves_the_last_report(
    judged: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write_report(judged, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.glob("*.*") if path.is_file()}
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreUnavailable, match="No space left"):
        write_report(replace(judged, model="next"), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.glob("*.*") if path.is_file()} == before
