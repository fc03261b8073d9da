"""How well sounds find pictures, next to the same query as text, and which of ten kinds of sound a model hears.

    python -m benchmarks.sounds --data DATA [--model DIR] [--json]

Pictures: objects val (1,970 photos of 64 px) and flickr8k val (1,000). What answers what: README.md beside this file.
Sounds: the 8 clips a topic of ESC-10's fold 5, which is left out of training; "sound" is the mean of their average
precisions, "text" that of the topic's words, "noun" that of its bare noun. Topics with fewer than 5 answers are shown
and left out of the means. "hears" is how many clips lie nearest to their own topic's words among all ten; all folds
count only for a model that has trained on none. Intervals: 95 %, whole topics resampled (for "hears": whole recordings,
since several clips come from one).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import bouba
from benchmarks.sounds.relevance import FOLDER, QRELS, val_rows
from bouba.encoders import Model
from bouba.evaluation.data import Judgements, read_qrels
from bouba.evaluation.embeddings import Embeddings, default_cache
from bouba.evaluation.metrics import average_precision
from bouba.evaluation.ranks import Relevance, rank_vectors
from bouba.evaluation.results import Interval
from bouba.evaluation.uncertainty import bootstrap_interval
from bouba.media import load_audio

if TYPE_CHECKING:
    from bouba.types import Vectors

    Doubles = npt.NDArray[np.float64]

TOPICS = FOLDER / "topics.jsonl"
MIN_RELEVANT = 5  # with fewer, one picture's luck is the figure
HELD_OUT = 5


@dataclass(frozen=True, slots=True)
class Topic:
    """One kind of sound: the words that a user would type for it, and its held-out clips below the data folder."""

    id: str
    text: str
    noun: str
    label: str  # its name in sounds/clips.jsonl
    audio: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording of sounds/clips.jsonl, with its vector's row among all."""

    path: str
    topic: int
    fold: int
    recording: str  # that it was cut from


@dataclass(frozen=True, slots=True)
class Found:
    """Average precisions of one topic; no `sound` from a model that does not hear."""

    topic: str
    relevant: int
    text: float
    noun: float
    sound: tuple[float, ...] = ()  # per clip

    @property
    def counts(self) -> bool:
        return self.relevant >= MIN_RELEVANT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with objects/, flickr8k/ and sounds/")
    parser.add_argument("--model", help="a model folder; by default the built-in model")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    model, topics = bouba.load_model(args.model), read_topics()
    embeddings = Embeddings(model, default_cache())
    pictures = [path for path, _ in val_rows(args.data)]
    vectors = embeddings.pictures([args.data / path for path in pictures])
    texts, nouns = (embeddings.texts([getattr(topic, kind) for topic in topics]) for kind in ("text", "noun"))
    clips = read_clips(args.data, topics)
    sounds = encode_sounds(model, [args.data / clip.path for clip in clips]) if model.hears else None
    searched = search(topics, pictures, vectors, texts, nouns, held_out(topics, clips, sounds))
    heard = hears(clips, sounds, texts) if sounds is not None else {}
    print(as_json(model, searched, heard) if args.json else table(model, searched, heard, topics))


def read_topics() -> list[Topic]:
    rows = map(json.loads, TOPICS.read_text(encoding="utf-8").splitlines())
    return [Topic(**{**row, "audio": tuple(row["audio"])}) for row in rows]


def read_clips(data: Path, topics: Sequence[Topic]) -> list[Clip]:
    number = {topic.label: row for row, topic in enumerate(topics)}
    lines = (data / "sounds" / "clips.jsonl").read_text(encoding="utf-8").splitlines()
    # ESC-50 names a clip FOLD-RECORDING-TAKE.
    return [
        Clip(f"sounds/{row['audio']}", number[row["label"]], row["fold"], Path(row["audio"]).stem.split("-")[1])
        for row in map(json.loads, lines)
    ]


def encode_sounds(model: Model, paths: Sequence[Path]) -> Vectors:
    return np.stack([model.encode_sound(load_audio(path).samples).vector for path in paths])


def held_out(topics: Sequence[Topic], clips: Sequence[Clip], sounds: Vectors | None) -> dict[str, Vectors]:
    """Every topic's held-out clips [clips, dim]."""
    if sounds is None:
        return {}
    rows = {clip.path: row for row, clip in enumerate(clips)}
    return {topic.id: sounds[[rows[path] for path in topic.audio]] for topic in topics}


def search(
    topics: Sequence[Topic],
    pictures: Sequence[str],
    vectors: Vectors,
    texts: Vectors,
    nouns: Vectors,
    sounds: dict[str, Vectors],
    judged: Judgements | None = None,
) -> list[Found]:
    """Every topic that any picture answers, asked in words and by its sounds; without `judged`, by qrels.txt."""
    judged = judged or read_qrels(QRELS)
    numbers = {path: row for row, path in enumerate(pictures)}
    found = []
    for topic, text, noun in zip(topics, texts, nouns, strict=True):
        answers = [numbers[path] for path, grade in judged.get(topic.id, {}).items() if grade > 0]
        if not answers:
            continue
        queries = np.concatenate([text[None], noun[None], sounds.get(topic.id, text[None][:0])])
        relevance = Relevance.of_lists([answers] * len(queries), len(pictures))
        words, bare, *heard = average_precision(rank_vectors(queries, vectors, relevance)).tolist()
        found.append(Found(topic.id, len(answers), words, bare, tuple(heard)))
    return found


def hears(clips: Sequence[Clip], sounds: Vectors, texts: Vectors) -> dict[str, dict[str, Any]]:
    """Clips whose own topic's words are nearest: of the held-out fold and of all, as a share and per topic."""
    right = np.argmax(sounds @ texts.T, axis=1) == [clip.topic for clip in clips]
    recordings = np.unique([clip.recording for clip in clips], return_inverse=True)[1]
    counted: dict[str, dict[str, Any]] = {}
    for name, folds in (("held_out", {HELD_OUT}), ("all_folds", {clip.fold for clip in clips})):
        rows = np.array([row for row, clip in enumerate(clips) if clip.fold in folds])
        share = bootstrap_interval(right[rows].astype(np.float64), groups=recordings[rows])
        owners = np.array([clips[row].topic for row in rows])
        per_topic = [
            f"{int(right[rows][owners == topic].sum())}/{(owners == topic).sum()}" for topic in range(len(texts))
        ]
        counted[name] = {"share": share, "per_topic": per_topic}
    return counted


def means(searched: Sequence[Found]) -> dict[str, Interval]:
    """Over the topics that count: the text's, the noun's and the sounds' average precision, and sound minus text."""
    counted = [one for one in searched if one.counts]
    columns = {
        "text": np.array([one.text for one in counted]),
        "noun": np.array([one.noun for one in counted]),
    }
    if counted and counted[0].sound:
        columns["sound"] = np.array([np.mean(one.sound) for one in counted])
        columns["sound_minus_text"] = columns["sound"] - columns["text"]
    return {name: bootstrap_interval(values) for name, values in columns.items()}


def table(model: Model, searched: Sequence[Found], heard: dict[str, dict[str, Any]], topics: Sequence[Topic]) -> str:
    lines = [
        f"{model.name} {model.version}",
        f"{'':<18}{'answers':>8}{'text':>8}{'noun':>8}{'sound':>8}{'minus text':>12}",
    ]
    for one in searched:
        name = one.topic if one.counts else f"({one.topic})"
        sound = f"{100 * np.mean(one.sound):>8.1f}{100 * (np.mean(one.sound) - one.text):>+12.1f}" if one.sound else ""
        lines.append(f"{name:<18}{one.relevant:>8}{100 * one.text:>8.1f}{100 * one.noun:>8.1f}{sound}")
    lines += [f"{'mean ' + name.replace('_', ' '):<34}{percent(value)}" for name, value in means(searched).items()]
    if not heard:
        return "\n".join([*lines, "This model has no sound tower."])
    for name, counts in heard.items():
        per_topic = ", ".join(f"{topic.id} {n}" for topic, n in zip(topics, counts["per_topic"], strict=True))
        lines += [f"{'hears, ' + name.replace('_', ' '):<34}{percent(counts['share'])}", f"    {per_topic}"]
    return "\n".join(lines)


def percent(value: Interval) -> str:
    return f"{100 * value.value:.1f} ({100 * value.low:.1f} to {100 * value.high:.1f})"


def as_json(model: Model, searched: Sequence[Found], heard: dict[str, dict[str, Any]]) -> str:
    content = {
        "model": f"{model.name} {model.version}",
        "fingerprint": model.fingerprint,
        "topics": [asdict(one) for one in searched],
        "means": {name: asdict(value) for name, value in means(searched).items()},
        "hears": {name: {**counts, "share": asdict(counts["share"])} for name, counts in heard.items()},
    }
    return json.dumps(content, indent=2)


if __name__ == "__main__":
    main()
