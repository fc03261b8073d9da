"""The shop: products found by their titles and descriptions, questions with filters, a catalogue imported and updated.

    python -m benchmarks.shop [--model FOLDER] [--data FOLDER] [--split NAME] [--cache FOLDER] [--only PART] [--json]

Retrieval, on one split: titles of fashion products, titles and descriptions of grocery photographs, to their photos.
`picture` ranks by cosine alone, `picture + words` as galleries do (`bouba.ranking.fusion`), `shop` as `Shop.search`
does, which also reads filters from the sentence. What is asked by is not in the catalogue: fashion products are
called by their type there, grocery products have no description. Where nothing but the title names a grocery product,
the title is kept, and that row only says that exact words are found. Intervals are 95 % bootstraps; gains are paired,
over queries. The hundred best products of an answer are ranked, the others follow by cosine.
Questions: tests/apps/shop/queries.jsonl, each with the filters and the words that are to be read.
Catalogue: all fashion products with invented prices and stock; imported, imported again, all prices changed, then all
stock changed by a feed of stock alone. Pictures and texts that were encoded are counted at the model.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import bouba
from benchmarks.sets import DEFAULT_DATA
from benchmarks.words import FASHION, Scores, Task, calibrated
from bouba.apps.shop import Ask, Shop
from bouba.apps.shop.parsing import parse
from bouba.apps.shop.vocabulary import Vocabulary
from bouba.encoders import Model, load_model
from bouba.evaluation.embeddings import Embeddings, default_cache
from bouba.evaluation.metrics import average_precision, hit_rate_at_k
from bouba.evaluation.ranks import Relevance, rank_scores
from bouba.evaluation.results import Interval
from bouba.evaluation.uncertainty import bootstrap_interval, compare
from bouba.server.batching import batched
from bouba.types import Item

QUERIES = Path(__file__).parents[1] / "tests" / "apps" / "shop" / "queries.jsonl"
DEEPEST = 100  # products of an answer
CATEGORY = {"category": "masterCategory,subCategory,articleType", "colour": "baseColour"}


@dataclass(frozen=True, slots=True)
class Way:
    """One way of asking one set."""

    task: str
    way: str
    queries: int
    hit_at_10: Interval
    map: Interval
    hit_gain: Interval | None = None  # over the pictures alone
    map_gain: Interval | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One import of the whole catalogue."""

    step: str
    seconds: float
    products: int  # added or changed
    pictures_encoded: int  # counted at the model
    pictures_told: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a model folder; by default the built-in model")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the folder with fashion/ and grocery/")
    parser.add_argument("--split", default="val", help="of the retrieval: val judges, train tunes")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="where vectors are kept")
    parser.add_argument("--only", choices=("retrieval", "questions", "catalogue"), help="one part")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    model = load_model(arguments.model)
    parts: dict[str, Callable[[], Any]] = {
        "retrieval": lambda: list(retrieval(Embeddings(model, arguments.cache), arguments.data, arguments.split)),
        "questions": questions,
        "catalogue": lambda: list(catalogue(model, arguments.data)),
    }
    report = {name: run() for name, run in parts.items() if arguments.only in (None, name)}
    print(json.dumps(report, indent=2, default=asdict) if arguments.json else table(report))


def retrieval(embeddings: Embeddings, data: Path, split: str) -> Iterator[Way]:
    fashion = _rows(data / "fashion/products.jsonl", split)
    grocery = _rows(data / "grocery/products.jsonl", split)
    yield from _ways(
        "fashion title", "title", data / "fashion", fashion, {**CATEGORY, "title": "articleType"}, embeddings, FASHION
    )
    columns = {"title": "title", "category": "category"}
    for query in ("description", "title"):
        yield from _ways(
            f"grocery {query}", query, data / "grocery", grocery, columns, embeddings, ("title", "category")
        )


def _ways(
    name: str, query: str, folder: Path, rows: list[dict[str, Any]], columns: dict[str, str], embeddings: Embeddings,
    fields: Sequence[str],
) -> Iterator[Way]:  # fmt: skip
    texts = list(dict.fromkeys(row[query] for row in rows))
    own = [[n for n, row in enumerate(rows) if row[query] == text] for text in texts]
    items = [
        Item(row["image"], row["image"], 1, 1, 1, "image/jpeg", attributes={f: row[f] for f in fields if row[f]})
        for row in rows
    ]
    vectors = embeddings.pictures([folder / row["image"] for row in rows])
    queries = embeddings.texts(texts)
    plain = np.asarray(queries @ vectors.T, np.float64)
    task = Task(name, texts, own, items, vectors)
    listed = [
        {"id": row["image"], "image": row["image"], **{f: row[f] for f in (*fields, "articleType") if f in row}}
        for row in rows
    ]
    scores = {
        "picture": plain,
        "picture + words": calibrated(task, queries),
        "shop": _shopped(texts, plain, listed, folder, columns, embeddings.model),
    }
    for way, ranked in scores.items():
        yield _judged(name, way, plain, ranked, own)


def _shopped(
    texts: Sequence[str],
    plain: Scores,
    listed: list[dict[str, Any]],
    folder: Path,
    columns: dict[str, str],
    model: Model,
) -> Scores:
    """As a shop ranks them; what it does not show follows in the order of the cosines."""
    number = {row["id"]: n for n, row in enumerate(listed)}
    out = plain.copy()
    with tempfile.TemporaryDirectory() as place, bouba.open(Path(place) / "shop.bouba", model) as gallery:
        feed = _written(Path(place) / "feed.jsonl", listed)
        with Shop(gallery) as shop:
            shop.import_feed(feed, columns=columns, images=folder)
            for row, text in zip(out, texts, strict=True):
                answer = shop.search(Ask(text, limit=DEEPEST, facets=False))
                for rank, found in enumerate(answer.products):
                    row[number[found.product.key]] = 10.0 - rank / DEEPEST
    return out


def _judged(task: str, way: str, plain: Scores, ranked: Scores, own: list[list[int]]) -> Way:
    relevance = Relevance.of_lists(own, plain.shape[1])
    before, after = rank_scores(plain, relevance), rank_scores(ranked, relevance)
    hits, precision = hit_rate_at_k(after, 10), average_precision(after)
    absolute = (bootstrap_interval(hits), bootstrap_interval(precision))
    if way == "picture":
        return Way(task, way, len(own), *absolute)
    gains = (compare(hits, hit_rate_at_k(before, 10))[0], compare(precision, average_precision(before))[0])
    return Way(task, way, len(own), *absolute, *gains)


def questions() -> dict[str, Any]:
    """How many of the written questions are read as they are meant."""
    first, *rest = map(json.loads, QUERIES.read_text("utf-8").splitlines())
    vocabulary = Vocabulary(
        [(field, value.lower(), value, 1) for field, values in first["vocabulary"].items() for value in values]
    )
    wrong = [row["text"] for row in rest if not _as_meant(row, vocabulary)]
    return {"questions": len(rest), "as meant": len(rest) - len(wrong), "wrong": wrong}


def _as_meant(row: dict[str, Any], vocabulary: Vocabulary) -> bool:
    read = parse(row["text"], vocabulary)
    chips = [[one.filter.field, one.filter.op, one.to_dict()["value"]] for one in read.chips]
    return sorted(map(str, chips)) == sorted(map(str, row["chips"])) and read.words == row["words"]


def catalogue(model: Model, data: Path) -> Iterator[Step]:
    """Every step on the same gallery."""
    rows = _rows(data / "fashion/products.jsonl", None)
    encoded: Counter[str] = Counter()
    counted = batched(model, lambda tower, count, _: encoded.update({tower: count}), together=False)
    with (
        tempfile.TemporaryDirectory() as place,
        bouba.open(Path(place) / "shop.bouba", counted) as gallery,
        Shop(gallery) as shop,
    ):
        full = [_priced(row, 0) for row in rows]
        feeds = {
            "imported": full,
            "imported again": full,
            "all prices changed": [_priced(row, 1) for row in rows],
            "all stock changed": [{"id": one["id"], "stock": one["stock"] + 1} for one in full],
        }
        for step, feed in feeds.items():
            path = _written(Path(place) / "feed.jsonl", feed)
            before = encoded["image"]
            report = shop.import_feed(path, columns=CATEGORY if "title" in feed[0] else None, images=data / "fashion")
            assert not report.problems, report.problems[:3]
            pictures = encoded["image"] - before
            yield Step(step, report.seconds, report.added + report.updated, pictures, report.told)
        yield from _asked(shop, [row["title"] for row in rows[:100]])


def _asked(shop: Shop, titles: Sequence[str]) -> Iterator[Step]:
    """The median second of a question, with and without counts."""
    shop.search(titles[0])
    for name, facets in (("a question, without counts", False), ("a question", True)):
        seconds = []
        for title in titles:
            started = time.perf_counter()
            shop.search(Ask(title, facets=facets))
            seconds.append(time.perf_counter() - started)
        yield Step(name, float(np.median(seconds)), 0, 0, 0)


def _priced(row: dict[str, Any], more: int) -> dict[str, Any]:
    number = int("".join(c for c in Path(row["image"]).stem if c.isdigit()) or 0)
    price = f"{5 + number % 150 + more}.99 EUR"
    kept = {name: row[name] for name in ("image", "title", *FASHION)}
    return {"id": Path(row["image"]).stem, "price": price, "stock": number % 7, **kept}


def _written(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def _rows(path: Path, split: str | None) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [row for row in rows if split in (None, row["split"])]


def table(report: dict[str, Any]) -> str:
    lines: list[str] = []
    for one in report.get("retrieval", ()):
        figures = [f"{name} {_points(value)}" for name, value in (("hit@10", one.hit_at_10), ("mAP", one.map))]
        figures += [
            f"{name} {_points(value, '+')}" for name, value in (("hit", one.hit_gain), ("mAP", one.map_gain)) if value
        ]
        lines.append(f"{one.task:<20}{one.way:<17}{one.queries:>5}  " + "  ".join(figures))
    if asked := report.get("questions"):
        lines.append(
            f"questions read as they are meant: {asked['as meant']} of {asked['questions']} {asked['wrong'] or ''}"
        )
    for one in report.get("catalogue", ()):
        told = f"{one.products:>6} products {one.pictures_encoded:>6} pictures encoded {one.pictures_told:>6} told"
        lines.append(
            f"{one.step:<28}{one.seconds:>9.3f} s" + (told if one.products or one.step.startswith("imp") else "")
        )
    return "\n".join(lines)


def _points(value: Interval, sign: str = "") -> str:
    low, high = 100 * value.low, 100 * value.high
    return f"{100 * value.value:{sign}.1f} ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    main()
