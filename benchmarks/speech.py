"""How well and how fast speech becomes text.

    python -m benchmarks.speech [--data FOLDER] [--recogniser NAME] [--json]

spoken val: 113 captions read aloud, against what was read, without case and punctuation. sounds: 400 recordings of
animals, weather and machines, in which nobody speaks. Seconds are those of one recording after another on two threads,
without decoding the file. `--recogniser` is a name or folder as BOUBA_SPEECH_MODEL takes it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jiwer
import numpy as np

from benchmarks.sets import DEFAULT_DATA
from bouba.encoders.speech import Recogniser, Transcript, open_recogniser
from bouba.media.audio import load_audio

THREADS = "2"
CONFIDENT = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the folder with spoken/ and sounds/")
    parser.add_argument("--recogniser", help="a Whisper name or folder; by default as in a search")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = THREADS  # read when the model is loaded
    recogniser = open_recogniser(args.recogniser)
    measured = {**spoken(args.data / "spoken", recogniser), **sounds(args.data / "sounds", recogniser)}
    print(json.dumps({"recogniser": recogniser.name, **measured}, indent=2) if args.json else table(measured))


def spoken(folder: Path, recogniser: Recogniser) -> dict[str, float]:
    rows = [row for row in _rows(folder / "clips.jsonl") if row["split"] == "val"]
    said, seconds = _heard([folder / row["audio"] for row in rows], recogniser)
    written = [_normal(row["text"]) for row in rows]
    read = [_normal(one.text) for one in said]
    readings = [[_normal(hypothesis.text) for hypothesis in one.hypotheses] or [""] for one in said]
    nearest = [min(some, key=lambda r: jiwer.wer(true, r)) for true, some in zip(written, readings, strict=True)]
    return {
        "speech_clips": len(rows),
        "word_error_rate": jiwer.wer(written, read),
        "word_error_rate_of_best_reading": jiwer.wer(written, nearest),
        "readings_mean": float(np.mean([len(some) for some in readings])),
        "share_lost": float(np.mean([not one.text for one in said])),
        "share_confident": float(np.mean([one.confidence > CONFIDENT for one in said])),
        "seconds_p50": float(np.percentile(seconds, 50)),
        "seconds_p95": float(np.percentile(seconds, 95)),
    }


def sounds(folder: Path, recogniser: Recogniser) -> dict[str, float]:
    said, seconds = _heard([folder / row["audio"] for row in _rows(folder / "clips.jsonl")], recogniser)
    return {
        "sound_clips": len(said),
        "sound_share_with_text": float(np.mean([bool(one.text) for one in said])),
        "sound_share_confident": float(np.mean([one.confidence > CONFIDENT for one in said])),
        "sound_confidence_max": max(one.confidence for one in said),
        "sound_seconds_p50": float(np.percentile(seconds, 50)),
        "sound_seconds_p95": float(np.percentile(seconds, 95)),
    }


def _heard(paths: Sequence[Path], recogniser: Recogniser) -> tuple[list[Transcript], list[float]]:
    recogniser.transcribe(load_audio(paths[0]).samples)  # loads the model
    said, seconds = [], []
    for path in paths:
        samples = load_audio(path).samples
        started = time.perf_counter()
        said.append(recogniser.transcribe(samples))
        seconds.append(time.perf_counter() - started)
    return said, seconds


def _rows(manifest: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]


def _normal(text: str) -> str:
    return " ".join(re.sub(r"[^\w' ]+", " ", text.casefold()).split())


def table(measured: dict[str, float]) -> str:
    return "\n".join(f"{name:<34} {_cell(name, value):>9}" for name, value in measured.items())


def _cell(name: str, value: float) -> str:
    if name.endswith("clips"):
        return f"{value:,.0f}"
    return f"{100 * value:.2f} %" if "share" in name or "rate" in name else f"{value:.3f}"


if __name__ == "__main__":
    main()
