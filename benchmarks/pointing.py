"""Do heat maps point at what was asked? The pointing game on pasted pictures.

    python -m benchmarks.pointing [--model DIR] [--data FOLDER] [--split val] [--pictures N] [--seed N] [--json]

"mosaic": four pictures fill the quarters of a square, whose two borders lie anywhere between 35 and 65 %; one of them
is asked for. "inset": a picture of 35 to 60 % of the side lies anywhere on another one, and is asked for. The pictures
are of different classes (`objects`: the question is a class name) or different photos (`flickr8k`: one of its
captions). A map counts if its warmest place lies in the picture asked for (Zhang et al. 2016, "Top-down Neural
Attention by Excitation Backprop"). "grid" is nine runs of an image tower that has one, "crops" 34 runs of any, and
"whole grid", for comparison, one run: the plain class activation map. Milliseconds are of the maps alone.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

import bouba
from benchmarks.sets import DEFAULT_DATA
from bouba.evaluation.uncertainty import bootstrap_interval
from bouba.explain import crop_maps, grid_maps
from bouba.media import load_image
from bouba.ranking.heat import peak

if TYPE_CHECKING:
    from bouba.encoders import Model
    from bouba.evaluation.results import Interval
    from bouba.ranking.heat import Floats
    from bouba.types import Vectors

SETS = {"objects": "labels.jsonl", "flickr8k": "pairs.jsonl"}
SIDE = 640  # pixels
BORDERS = (0.35, 0.65)  # of a mosaic, in shares of the side
INSETS = (0.35, 0.6)  # the side of an inset
Maps = Callable[["Model", Image.Image, "Vectors"], "Floats"]
Box = tuple[int, int, int, int]  # pixels: left, top, right, bottom


@dataclass(frozen=True, slots=True)
class Puzzle:
    """A question about one of the pictures in a picture, and where that is."""

    picture: Image.Image
    text: str
    box: Box

    @property
    def chance(self) -> float:
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top) / SIDE**2

    def solved(self, x: float, y: float) -> bool:
        left, top, right, bottom = self.box
        return left <= x * SIDE < right and top <= y * SIDE < bottom


@dataclass(frozen=True, slots=True)
class Row:
    """One game, one set, one method."""

    game: str
    data: str
    method: str
    pointed: Interval  # share of the maps whose warmest place lies where it should
    chance: float
    milliseconds: float  # a map


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, metavar="DIR", help="a model folder; default: the built-in model")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the folder with objects/ and flickr8k/")
    parser.add_argument("--split", default="val")
    parser.add_argument("--pictures", type=int, default=150, help="of each game and set")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    model = bouba.load_model(arguments.model)
    methods: dict[str, Maps] = {"whole grid": whole_grid, "grid": grid_maps} if model.manifest.image.grid else {}
    methods["crops"] = crop_maps
    rows = []
    for game in (mosaic, inset):
        for data in SETS:
            rng = np.random.default_rng(arguments.seed)
            asked = list(puzzles(arguments.data / data, arguments.split, game, arguments.pictures, rng))
            rows += [measure(model, asked, maps, (game.__name__, data, name)) for name, maps in methods.items()]
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        print_table(rows)


def whole_grid(model: Model, picture: Image.Image, queries: Vectors) -> Floats:
    """Cosines of the picture's own cells."""
    return np.asarray(np.einsum("ijd,qd->qij", model.encode_grid([model.prepare_image(picture)])[0], queries))


def puzzles(
    folder: Path, split: str, game: Callable[..., Puzzle], count: int, rng: np.random.Generator
) -> Iterator[Puzzle]:
    lines = (folder / SETS[folder.name]).read_text(encoding="utf-8").splitlines()
    records = [record for record in map(json.loads, lines) if record["split"] == split]
    while count:
        four = [records[i] for i in rng.choice(len(records), 4, replace=False)]
        if len({record.get("label", record["image"]) for record in four}) == 4:
            yield game([load_image(folder / record["image"], side=SIDE).rgb for record in four], four, rng)
            count -= 1


def mosaic(pictures: list[Image.Image], records: list[dict[str, Any]], rng: np.random.Generator) -> Puzzle:
    across, down = (round(share * SIDE) for share in rng.uniform(*BORDERS, 2))
    boxes = [
        (left, top, right, bottom)
        for top, bottom in ((0, down), (down, SIDE))
        for left, right in ((0, across), (across, SIDE))
    ]
    whole = Image.new("RGB", (SIDE, SIDE))
    for picture, box in zip(pictures, boxes, strict=True):
        _paste(whole, picture, box)
    asked = int(rng.integers(4))
    return Puzzle(whole, _question(records[asked], rng), boxes[asked])


def inset(pictures: list[Image.Image], records: list[dict[str, Any]], rng: np.random.Generator) -> Puzzle:
    whole = pictures[0].resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    side = round(rng.uniform(*INSETS) * SIDE)
    left, top = (int(at) for at in rng.integers(0, SIDE - side, 2))
    box = (left, top, left + side, top + side)
    _paste(whole, pictures[1], box)
    return Puzzle(whole, _question(records[1], rng), box)


def _paste(whole: Image.Image, picture: Image.Image, box: Box) -> None:
    left, top, right, bottom = box
    whole.paste(picture.resize((right - left, bottom - top), Image.Resampling.BILINEAR), (left, top))


def _question(record: dict[str, Any], rng: np.random.Generator) -> str:
    return record["label"] if "label" in record else str(rng.choice(record["captions"]))


def measure(model: Model, asked: list[Puzzle], maps: Maps, names: tuple[str, str, str]) -> Row:
    queries = model.encode_text([puzzle.text for puzzle in asked])
    pointed, seconds = np.zeros(len(asked)), []
    for i, puzzle in enumerate(asked):
        start = time.perf_counter()
        (heat,) = maps(model, puzzle.picture, queries[i : i + 1])
        seconds.append(time.perf_counter() - start)
        pointed[i] = puzzle.solved(*peak(heat))
    chance = float(np.mean([puzzle.chance for puzzle in asked]))
    return Row(*names, bootstrap_interval(pointed), chance, 1000 * float(np.median(seconds)))


def print_table(rows: list[Row]) -> None:
    print(
        f"{'game':<8}{'set':<10}{'method':<12}{'pointed right':>14}{'95 % interval':>18}{'chance':>8}{'ms a map':>10}"
    )
    for row in rows:
        share, name = row.pointed, f"{row.game:<8}{row.data:<10}{row.method:<12}"
        interval = f"{share.low:.1%} to {share.high:.1%}"
        print(f"{name}{share.value:>8.1%}{interval:>18}{row.chance:>8.0%}{row.milliseconds:>10.0f}")


if __name__ == "__main__":
    main()
