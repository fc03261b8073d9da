"""What a query gains from hits that somebody marks: "more like these, less like those".

    python -m benchmarks.feedback --data DATA [--model DIR] [--split val] [--json]

The user is simulated from labels: of the first 50 hits, those marked before left out, the first 3 right and the first 3
wrong ones are marked; then the query is asked again, once or twice. Other users mark less, or make a mistake.
`objects`: class names, 10 photos each; `grocery`: descriptions of products, 3 to 6 photos each. mAP over queries,
in %, and the gain over no feedback with its interval (paired, queries resampled):

full         all pictures, the marked ones too, as the user sees them
residual     without the pictures that were marked, by whatever method: the gain is of pictures that nobody looked at.
             Queries with nothing left to find are left out.
other half   the pictures are cut in two; marked in one half, measured in the other

"head" is `bouba.ranking.feedback`; Rocchio (1971) adds the means of the examples to the query, "decorrelated" by way of
the same shrunk covariance as the head. The weights of all three were tuned on the train splits (`--split train`).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import bouba
from bouba.evaluation.embeddings import Embeddings, default_cache
from bouba.evaluation.metrics import average_precision
from bouba.evaluation.ranks import Relevance, rank_scores
from bouba.evaluation.results import Interval
from bouba.evaluation.uncertainty import compare
from bouba.ranking.feedback import Spread, steer

if TYPE_CHECKING:
    from bouba.encoders import Model
    from bouba.types import Vectors

    Flags = npt.NDArray[np.bool_]
    Method = Callable[[Vectors, Vectors, Vectors, Spread], Vectors]

SHOWN = 50  # hits that a user looks at
SAMPLE = 1000  # pictures that the gallery is known by
SETS = {"objects": ("labels.jsonl", "label"), "grocery": ("products.jsonl", "description")}


@dataclass(frozen=True, slots=True)
class User:
    """What is marked in a round."""

    liked: int
    disliked: int
    mistakes: int = 0  # wrong hits that are marked as liked, in place of right ones


USERS = {
    "3 liked, 3 disliked": User(3, 3),
    "1 liked": User(1, 0),
    "3 disliked": User(0, 3),
    "3 and 3, 1 by mistake": User(3, 3, mistakes=1),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """Pictures, and queries with what is right for them."""

    images: Vectors  # [items, dim]
    texts: Vectors  # [queries, dim]
    right: Flags  # [queries, items]


@dataclass(frozen=True, slots=True)
class Round:
    """After so many rounds with one method."""

    directions: Vectors  # [queries, dim]
    marked: Flags  # [queries, items]


@dataclass(frozen=True, slots=True)
class Row:
    """One line: every method in one measurement."""

    set: str
    user: str
    measured: str
    round: int
    queries: int
    none: float
    methods: Mapping[str, float]
    gains: Mapping[str, Interval]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with objects/ and grocery/")
    parser.add_argument("--model", help="a model folder; by default the built-in model")
    parser.add_argument("--split", choices=["val", "train"], default="val")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    model = bouba.load_model(arguments.model)
    rows = []
    if not arguments.json:
        print(heading(model), flush=True)
    for name, (manifest, column) in SETS.items():
        asked = read(arguments.data / name / manifest, column, arguments.split, model)
        for row in measure(name, asked):
            rows.append(row)
            if not arguments.json:
                print(line(row), flush=True)
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))


def read(manifest: Path, column: str, split: str, model: Model) -> Asked:
    records: list[dict[str, Any]] = [json.loads(text) for text in manifest.read_text(encoding="utf-8").splitlines()]
    records = [record for record in records if record["split"] == split]
    texts = sorted({record[column] for record in records})
    vectors = Embeddings(model, default_cache())
    images = vectors.pictures([manifest.parent / record["image"] for record in records])
    right = np.array([[record[column] == text for record in records] for text in texts])
    return Asked(images, vectors.texts(texts), right)


def rocchio(query: Vectors, liked: Vectors, disliked: Vectors, spread: Spread) -> Vectors:
    return _unit(query + 0.5 * _means(liked, disliked, spread))


def decorrelated(query: Vectors, liked: Vectors, disliked: Vectors, spread: Spread) -> Vectors:
    metric = spread.metric * np.trace(spread.covariance)  # of the pictures' own scale
    return _unit(query + metric @ _means(liked, disliked, spread))


def head(query: Vectors, liked: Vectors, disliked: Vectors, spread: Spread) -> Vectors:
    return steer(query, liked, disliked, spread).vector


METHODS: Mapping[str, Method] = {"Rocchio": rocchio, "decorrelated": decorrelated, "head": head}


def measure(name: str, asked: Asked) -> list[Row]:
    rows = []
    for user_name, user in USERS.items():
        rounds = 2 if user == USERS["3 liked, 3 disliked"] else 1
        done = {method: simulate(asked, METHODS[method], user, rounds) for method in METHODS}
        nobody = np.zeros_like(asked.right)
        for number in range(rounds):
            last = {method: steps[number] for method, steps in done.items()}
            seen = np.any([step.marked for step in last.values()], axis=0)
            rows.append(compared((name, user_name, "full", number + 1), asked, last, nobody))
            rows.append(compared((name, user_name, "residual", number + 1), asked, last, seen))
        rows += halves((name, user_name), asked, user, rounds)
    return rows


def halves(names: tuple[str, str], asked: Asked, user: User, rounds: int) -> list[Row]:
    """Every other right picture of a query is in the other half."""
    turn = np.zeros(len(asked.images), np.int64)
    for own in asked.right:
        turn[own] = np.arange(own.sum()) % 2
    first, second = (Asked(asked.images[turn == half], asked.texts, asked.right[:, turn == half]) for half in (0, 1))
    done = {method: simulate(first, METHODS[method], user, rounds) for method in METHODS}
    nobody = np.zeros_like(second.right)
    return [
        compared((*names, "other half", number + 1), second, {m: steps[number] for m, steps in done.items()}, nobody)
        for number in range(rounds)
    ]


def simulate(asked: Asked, method: Method, user: User, rounds: int) -> list[Round]:
    drawn = np.random.default_rng(0).permutation(len(asked.images))[:SAMPLE]
    spread = Spread.of(asked.images[drawn], len(asked.images))
    directions = np.repeat(asked.texts[None], rounds, axis=0)
    marked = np.zeros((rounds, *asked.right.shape), np.bool_)
    for query, right in enumerate(asked.right):
        direction = asked.texts[query]
        liked: list[int] = []
        disliked: list[int] = []
        for number in range(rounds):
            shown = np.argsort(-(asked.images @ direction), kind="stable")[: SHOWN + len(liked) + len(disliked)]
            fresh = [int(item) for item in shown if item not in liked and item not in disliked][:SHOWN]
            more, less = marks(fresh, right, user)
            liked, disliked = liked + more, disliked + less
            direction = method(asked.texts[query], asked.images[liked], asked.images[disliked], spread)
            directions[number, query] = direction
            marked[number, query, liked + disliked] = True
    return [Round(*one) for one in zip(directions, marked, strict=True)]


def marks(shown: Sequence[int], right: Flags, user: User) -> tuple[list[int], list[int]]:
    """What is liked and what is disliked of the hits shown, which are in order."""
    good = [item for item in shown if right[item]][: user.liked]
    bad = [item for item in shown if not right[item]][: user.disliked + user.mistakes]
    if user.mistakes and good:
        good, bad = good[: user.liked - user.mistakes] + bad[: user.mistakes], bad[user.mistakes :]
    return good, bad[: user.disliked]


def compared(names: tuple[str, str, str, int], asked: Asked, last: Mapping[str, Round], without: Flags) -> Row:
    left = asked.right & ~without
    answerable = left.any(axis=1)
    relevance = Relevance.of_matrix(left[answerable])

    def figures(directions: Vectors) -> npt.NDArray[np.float64]:
        scores = np.where(without, -np.inf, directions @ asked.images.T)[answerable]
        return average_precision(rank_scores(scores, relevance))

    plain = figures(asked.texts)
    after = {method: figures(step.directions) for method, step in last.items()}
    gains = {method: compare(values, plain)[0] for method, values in after.items()}
    means = {method: float(values.mean()) for method, values in after.items()}
    return Row(*names, int(answerable.sum()), float(plain.mean()), means, gains)


def _means(liked: Vectors, disliked: Vectors, spread: Spread) -> npt.NDArray[np.float64]:
    """The mean of what is liked less that of what is not, both seen from the gallery's middle [dim]."""
    more, less = ((rows - spread.mean).mean(axis=0) if len(rows) else 0.0 * spread.mean for rows in (liked, disliked))
    return np.asarray(more - less, np.float64)


def _unit(vector: npt.NDArray[np.floating]) -> Vectors:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def heading(model: Model) -> str:
    columns = "".join(f"{method:>28}" for method in METHODS)
    names = f"{'set':<9}{'user':<23}{'measured':<11}{'round':>6}{'n':>5}{'none':>7}"
    return f"{model.name} {model.version}; mAP in %, and gains\n{names}{columns}"


def line(row: Row) -> str:
    def cell(method: str) -> str:
        value, low, high = (100 * figure for figure in asdict(row.gains[method]).values())
        return f"{100 * row.methods[method]:.1f} {f'{value:+.1f} ({low:+.1f} to {high:+.1f})':>21}"

    start = f"{row.set:<9}{row.user:<23}{row.measured:<11}{row.round:>6}{row.queries:>5}{100 * row.none:>7.1f}"
    return start + "".join(f"{cell(method):>28}" for method in row.methods)


if __name__ == "__main__":
    main()
