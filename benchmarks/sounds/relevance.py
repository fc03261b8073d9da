"""Which pictures answer which kind of sound: from the sets' labels and captions, and from pictures looked at.

    python -m benchmarks.sounds.relevance --data DATA [--check]

Writes qrels.txt beside this file, the same one every time. A picture answers by its label, or where enough people named
the thing in its captions; judged.tsv overrules both. `--check` writes nothing and exits 1 where the file would change.
What counts as an answer: README.md.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bouba.evaluation.data import write_qrels

FOLDER = Path(__file__).parent
QRELS, JUDGED = FOLDER / "qrels.txt", FOLDER / "judged.tsv"
COLLECTIONS = {"objects": "labels.jsonl", "flickr8k": "pairs.jsonl"}  # their val splits, in this order

Grades = dict[str, dict[str, float]]  # topic -> picture -> 1 answers, 0 looked at and does not


@dataclass(frozen=True, slots=True)
class Rule:
    """Pictures of these ImageNet classes answer, and photos with this many captions that have one of the words."""

    words: str
    captions: int
    classes: frozenset[str] = frozenset()

    def holds(self, row: dict[str, Any]) -> bool:
        if "captions" not in row:
            return row["wnid"] in self.classes
        named = re.compile(rf"\b({self.words})\b", re.IGNORECASE)
        return sum(bool(named.search(caption)) for caption in row["captions"]) >= self.captions


# Three of five captions where people seldom call anything else by the word; two where the word stands for the place or
# the weather, which many leave out.
RULES = {
    "dog": Rule(
        "dogs?|pupp(y|ies)|poodles?|terriers?|retrievers?|shepherds?|(grey)?hounds?|collies?|husk(y|ies)|dachshunds?"
        "|dalmati[ao]ns?|labs?|labradors?|bulldogs?|corgis?|beagles?",
        captions=3,
        classes=frozenset({"n02085620", "n02094433", "n02099601", "n02099712", "n02106662", "n02113799"}),
    ),
    "sea": Rule(
        "sea|ocean|surf(s|er|ers|ing|board)?|beach|seashore|seaside|coast", captions=2, classes=frozenset({"n09428293"})
    ),
    "baby": Rule("bab(y|ies)|infants?|newborns?", captions=3),
    "clock": Rule("clocks?|stopwatch(es)?|wristwatch(es)?", captions=2, classes=frozenset({"n04328186"})),
    "fire": Rule(r"(bon|camp)?fires?(?! (hydrant|escape|truck|engine|station))|burning|flam(e|es|ing)", captions=2),
    "rain": Rule("rain(s|ing|y)?|umbrellas?|raincoats?", captions=2),
    "rooster": Rule("roosters?|hens?|chickens?", captions=3),
    "helicopter": Rule("helicopters?", captions=3),
    "chainsaw": Rule("chain ?saws?|sawing", captions=2),
    "sneeze": Rule("sneez(e|es|ing)", captions=2),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with objects/ and flickr8k/")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    grades = relevance(args.data)
    if args.check:
        sys.exit(0 if as_text(grades) == QRELS.read_text(encoding="utf-8") else f"{QRELS} is not what the rules say.")
    write_qrels(QRELS, grades)


def relevance(data: Path) -> Grades:
    """All that answers and all that was judged, in the order of RULES and then by path."""
    grades: Grades = {topic: {} for topic in RULES}
    for picture, row in val_rows(data):
        for topic, rule in RULES.items():
            if rule.holds(row):
                grades[topic][picture] = 1.0
    for row in judged():
        grades[row["topic"]][row["picture"]] = float(row["grade"])
    return {topic: dict(sorted(pictures.items())) for topic, pictures in grades.items()}


def val_rows(data: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every picture of the collection: its path below the data folder, and what its file says of it."""
    for folder, manifest in COLLECTIONS.items():
        for line in (data / folder / manifest).read_text(encoding="utf-8").split("\n"):
            row = json.loads(line) if line else {}
            if row.get("split") == "val":
                yield f"{folder}/{row['image']}", row


def judged() -> list[dict[str, str]]:
    """What was decided by looking at the picture: topic, picture, grade and why."""
    with JUDGED.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def as_text(grades: Grades) -> str:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "qrels.txt"
        write_qrels(path, grades)
        return path.read_text(encoding="utf-8")


if __name__ == "__main__":
    main()
