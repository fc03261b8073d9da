"""Moderation by written guidelines: how well rules find what they describe, whether promises about errors hold, and how
fast a gallery is scanned.

    python -m benchmarks.moderation [--data DATA] [--model DIR] [--splits 100] [--scan 100000] [--scratch DIR] [--json]

The guidelines are those of examples/policies. What breaks a rule is known from labels:

objects    val: 10 photos of each of 197 classes. A rule's classes are listed in CLASSES.
flickr8k   val: 1,000 photos. A photo shows it where at least two of its five captions say so, by the words in WORDS
           (for "people at the beach" a person and a shore in one caption); those of which exactly one caption says so
           are left out: weak truth, as captions do not say all that a photo shows.

*Found*: precision and recall, in %, before any label, of what is flagged; AP, and its 95 % interval (of pictures).
*Promises*: all labelled photos (train and val: thresholds learn nothing else, and the guidelines were written without
them) are cut in two halves, 100 times. Thresholds are set on one half for at most 10 % missed and 5 % false alarms, and
errors are counted on the other. "broken": in how many splits more were made than promised; a half as a test adds noise
of its own, so beside it stands "exact", where as many labels are drawn with replacement from all photos, which are then
all there is, and errors are counted on all of them. With confidence 90 % at most 10 % of those may be broken.
*Scan*: so many synthetic items with full text, as `bouba add` leaves them: all of them, again, and after a change.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import bouba
from benchmarks.serving.gallery import made
from benchmarks.sets import DEFAULT_DATA
from bouba.apps.moderation import Moderator, Policy, load_policy
from bouba.apps.moderation.calibration import decide, uncalibrated
from bouba.apps.moderation.ground import Ground
from bouba.apps.moderation.guarantee import Bound, false_alarm_bound, miss_bound
from bouba.apps.moderation.policy import Example, Rule
from bouba.apps.moderation.reading import parse_policy
from bouba.apps.moderation.scoring import Gauges
from bouba.evaluation.embeddings import Embeddings, default_cache

if TYPE_CHECKING:
    from bouba.encoders import Model
    from bouba.types import Vectors

    Flags = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float64]

POLICIES = Path(__file__).parents[1] / "examples" / "policies"
MISS, FALSE_ALARM, CONFIDENCE = 0.1, 0.05, 0.9
DRAWS = 1000
SAMPLE = 1000  # pictures that scores are held against, as in a gallery
CLASSES: Mapping[tuple[str, str], Sequence[str]] = {
    ("vehicles", "vehicles"): (
        "beach wagon", "bullet train", "convertible", "freight car", "go-kart", "jinrikisha", "limousine",
        "moving van", "police van", "school bus", "sports car", "tractor", "trolleybus",
    ),
    ("alcohol", "alcohol"): ("beer bottle",),
    ("tools", "weapons"): ("cannon", "projectile"),
    ("tools", "tools"): ("broom", "plunger", "lawn mower", "nail"),
}  # fmt: skip
PEOPLE = r"(man|men|woman|women|people|person|boy|boys|girl|girls|child|children|kid|kids|toddler|baby|couple|lady)"
SHORE = r"(beach|seashore|shore|ocean)"
WORDS: Mapping[tuple[str, str], Sequence[str]] = {  # all of them in one caption
    ("vehicles", "vehicles"): (
        r"(cars?|trucks?|bus|buses|vans?|trains?|motorcycles?|motorbikes?|bicycles?|bikes?|tractors?|jeeps?|vehicles?"
        r"|racecars?|scooters?|taxis?)",
    ),
    ("alcohol", "alcohol"): (r"(beers?|wine|alcohol|champagne|cocktails?|liquor)",),
    ("beach", "people at the beach"): (PEOPLE, SHORE),
}


@dataclass(frozen=True, slots=True)
class Pool:
    """Photos of a set, with which of them show what a rule is about."""

    set: str
    rule: Rule
    evidence: Floats  # [n]
    breaks: Flags  # [n]


@dataclass(frozen=True, slots=True)
class Found:
    set: str
    rule: str
    photos: int
    breaking: int
    flagged: int
    precision: float
    recall: float
    average_precision: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Kept:
    set: str
    rule: str
    what: str  # "miss" or "false alarm"
    promised: float
    confidence: float | None
    labels: int  # of the kind that counts, in a half
    needed: int
    impossible: int  # splits whose labels could not promise it
    observed: float | None  # mean error rate
    broken: float | None  # share of splits
    exact_observed: float | None
    exact_broken: float | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the folder with objects/ and flickr8k/")
    parser.add_argument("--model", help="a model folder; by default the built-in model")
    parser.add_argument("--splits", type=int, default=100)
    parser.add_argument("--scan", type=int, default=100_000, metavar="ITEMS", help="0 leaves it out")
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()), help="for the synthetic gallery")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    vectors = Embeddings(bouba.load_model(arguments.model), default_cache())
    found = [quality(pool) for pool in pools(arguments.data, vectors, ("val",))]
    kept = [
        row for pool in pools(arguments.data, vectors, ("train", "val")) for row in promises(pool, arguments.splits)
    ]
    scanned = scan(arguments.scratch, arguments.scan) if arguments.scan else {}
    if arguments.json:
        rows = {"found": [asdict(row) for row in found], "promises": [asdict(row) for row in kept], "scan": scanned}
        print(json.dumps(rows, indent=2))
        return
    print(
        "\n".join(
            [_found_heading(vectors.model), *map(_found_line, found), "", _kept_heading(), *map(_kept_line, kept)]
        )
    )
    for name, value in scanned.items():
        print(f"{name:>40}  {value:,.2f}")


def pools(data: Path, vectors: Embeddings, splits: Sequence[str]) -> Iterator[Pool]:
    """Of every set and rule."""
    for name, file, truth in (("objects", "labels.jsonl", CLASSES), ("flickr8k", "pairs.jsonl", WORDS)):
        lines = (data / name / file).read_text(encoding="utf-8").splitlines()
        rows = [row for row in map(json.loads, lines) if row["split"] in splits]
        images = vectors.pictures([data / name / row["image"] for row in rows])
        for (policy, rule), words in truth.items():
            shown, known = classes(rows, words) if name == "objects" else captions(rows, words)
            guideline = load_policy(POLICIES / f"{policy}.toml")
            yield _pool((name, guideline.rule(rule)), guideline, images[known], shown[known], vectors.model)


def _pool(of: tuple[str, Rule], policy: Policy, images: Vectors, shown: Flags, model: Model) -> Pool:
    sample = images[np.random.default_rng(0).permutation(len(images))[:SAMPLE]]
    gauges = Gauges.of(policy, Ground.around(model, sample, len(images)), {}, {})  # they name no pictures
    return Pool(*of, gauges.evidence(images)[:, policy.rules.index(of[1])], shown)


def classes(rows: Sequence[Any], names: Sequence[str]) -> tuple[Flags, Flags]:
    """Which photos show it, and of which that is known."""
    return np.array([row["label"] in names for row in rows]), np.ones(len(rows), bool)


def captions(rows: Sequence[Any], patterns: Sequence[str]) -> tuple[Flags, Flags]:
    whole = [re.compile(rf"\b{pattern}\b", re.IGNORECASE) for pattern in patterns]
    told = np.array([sum(all(one.search(text) for one in whole) for text in row["captions"]) for row in rows])
    return told >= 2, told != 1


def quality(pool: Pool) -> Found:
    """Before any label: by the model's own calibration."""
    flagged = decide(pool.rule, uncalibrated(pool.rule), pool.evidence) > 0
    right = int((flagged & pool.breaks).sum())
    rng = np.random.default_rng(0)
    draws = [rng.integers(len(pool.breaks), size=len(pool.breaks)) for _ in range(DRAWS)]
    values = [average_precision(pool.evidence[draw], pool.breaks[draw]) for draw in draws if pool.breaks[draw].any()]
    low, high = np.quantile(values, [0.025, 0.975])
    return Found(
        pool.set, pool.rule.name, len(pool.breaks), int(pool.breaks.sum()), int(flagged.sum()),
        right / max(int(flagged.sum()), 1), right / max(int(pool.breaks.sum()), 1),
        average_precision(pool.evidence, pool.breaks), float(low), float(high),
    )  # fmt: skip


def average_precision(evidence: Floats, breaks: Flags) -> float:
    ordered = breaks[np.argsort(-evidence, kind="stable")]
    return float((np.cumsum(ordered) / np.arange(1, len(ordered) + 1))[ordered].mean())


def promises(pool: Pool, splits: int) -> Iterator[Kept]:
    """With a confidence, and on average."""
    for confidence in (CONFIDENCE, None):
        yield _promise(pool, "miss", MISS, confidence, splits)
        yield _promise(pool, "false alarm", FALSE_ALARM, confidence, splits)


def _promise(pool: Pool, what: str, rate: float, confidence: float | None, splits: int) -> Kept:
    rng = np.random.default_rng(0)
    count = len(pool.breaks)
    bounds: list[Bound] = []
    halves, exact = [], []
    for _ in range(splits):
        order = rng.permutation(count)
        first, second = order[: count // 2], order[count // 2 :]
        bound = _bound(pool, what, rate, confidence, first)
        bounds.append(bound)
        if bound.threshold is not None:
            halves.append(_errors(pool, what, bound.threshold, second))
        drawn = _bound(pool, what, rate, confidence, rng.integers(count, size=count // 2))
        if drawn.threshold is not None:
            exact.append(_errors(pool, what, drawn.threshold, order))
    told = (splits - len(halves), *_told(halves, rate), *_told(exact, rate))
    labels = round(float(np.mean([one.labels for one in bounds])))
    return Kept(pool.set, pool.rule.name, what, rate, confidence, labels, bounds[0].needed, *told)


def _told(errors: Sequence[float], rate: float) -> tuple[float | None, float | None]:
    """Their mean, and the share of them above the promise."""
    return (float(np.mean(errors)), float(np.mean(np.array(errors) > rate))) if errors else (None, None)


def _bound(pool: Pool, what: str, rate: float, confidence: float | None, rows: npt.NDArray[np.int64]) -> Bound:
    evidence, breaks = pool.evidence[rows], pool.breaks[rows]
    if what == "miss":
        return miss_bound(evidence[breaks], rate, confidence)
    return false_alarm_bound(evidence[~breaks], rate, confidence)


def _errors(pool: Pool, what: str, threshold: float, rows: npt.NDArray[np.int64]) -> float:
    """Error rate at a threshold."""
    evidence, breaks = pool.evidence[rows], pool.breaks[rows]
    wrong = evidence[breaks] < threshold if what == "miss" else evidence[~breaks] >= threshold
    return float(wrong.mean())


def scan(scratch: Path, items: int) -> dict[str, float]:
    """Seconds, and items a second. The gallery is made once and kept; what is beside it goes."""
    place = made(scratch, items)
    for beside in place.glob("moderation*"):
        beside.unlink()
    policy = load_policy(POLICIES / "tools.toml")
    more = policy.source.replace('"a saw"]', '"a saw", "a drill"]')
    changed = parse_policy(more, "changed", lambda name: Example(name, (POLICIES / name).read_bytes()))
    with bouba.open(place, must_exist=True) as gallery, Moderator(gallery, policy) as first:
        began = time.process_time()
        whole = first.scan().seconds
        cpu = time.process_time() - began
        again = first.scan().seconds
        with Moderator(gallery, changed) as second:
            began = time.process_time()
            after = second.scan()
            cpu_after = time.process_time() - began
    assert after.judged == items
    return {
        f"all of {items:,} items, s": whole,
        "of the processor, s": cpu,
        "again, nothing changed, s": again,
        "after a change of the guideline, s": after.seconds,
        "of the processor again, s": cpu_after,
    }


def _found_heading(model: Model) -> str:
    columns = f"{'set':<10}{'rule':<22}{'photos':>7}{'show it':>8}{'flagged':>8}{'precision':>10}{'recall':>8}{'AP':>7}"
    return f"{model.name} {model.version}; before any label\n{columns}  (95 %)"


def _found_line(row: Found) -> str:
    figures = [100 * value for value in (row.precision, row.recall, row.average_precision)]
    return (
        f"{row.set:<10}{row.rule:<22}{row.photos:>7}{row.breaking:>8}{row.flagged:>8}{figures[0]:>10.1f}{figures[1]:>8.1f}{figures[2]:>7.1f}"
        f"  ({100 * row.low:.1f} to {100 * row.high:.1f})"
    )


def _kept_heading() -> str:
    names = f"{'set':<10}{'rule':<22}{'promise':<26}{'labels':>7}{'needed':>7}{'possible':>9}{'observed':>9}"
    return f"{names}{'broken':>8}{'exact':>8}{'broken':>8}"


def _kept_line(row: Kept) -> str:
    sure = f"at {100 * row.confidence:.0f} %" if row.confidence else "on average"
    told = f"{row.what} <= {100 * row.promised:.0f} % {sure}"
    values = (row.observed, row.broken, row.exact_observed, row.exact_broken)
    cells = [f"{'-':>8}" if value is None else f"{100 * value:>8.1f}" for value in values]
    possible = "no" if row.impossible and row.observed is None else "yes" if not row.impossible else "some"
    return f"{row.set:<10}{row.rule:<22}{told:<26}{row.labels:>7}{row.needed:>7}{possible:>9} " + "".join(cells)


if __name__ == "__main__":
    main()
