"""A sound tower for the tiny model: tones of three pitches are colours, a fourth is a voice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sound_files import Wave, to_int16, tone, write_wav
from tiny_model import COLOURS, DIM, write_tiny_model

from bouba.encoders.speech import Hypothesis, Transcript

RATE, WINDOW, HOP = 16_000, 15_600, 7_800
PITCHES = {"red": 500, "green": 1000, "blue": 2000}  # Hz
VOICE = 3000
SOUND, UNSURE, SPOKEN = 0.0, 0.4, 0.9  # shares of a voice that are taken for a sound, for both, for speech


def write_hearing_model(folder: Path, name: str = "hearing", broken: bool = False) -> Path:
    """A tiny model that also hears. A `broken` one takes each colour for its opposite."""
    write_tiny_model(folder, name)
    onnx.save(_graph(-1 if broken else 1), folder / "sound.onnx")
    classes = [{"name": "Tone", "speech": False}, {"name": "Speech", "speech": True}]
    (folder / "classes.json").write_text(json.dumps(classes))
    manifest = json.loads((folder / "model.json").read_text())
    manifest["sound"] = {"file": "sound.onnx", "rate": RATE, "window": WINDOW, "hop": HOP, "classes": "classes.json"}
    for file in ("sound.onnx", "classes.json"):
        manifest["sha256"][file] = hashlib.sha256((folder / file).read_bytes()).hexdigest()
    (folder / "model.json").write_text(json.dumps(manifest))
    return folder


def write_recording(path: Path, colour: str, voice: float = 0.0, seconds: float = 1.0) -> Path:
    """A colour's tone, of which `voice` is the share of power that is a voice, as a WAV file."""
    parts: list[Wave] = [
        tone(PITCHES[colour], seconds, RATE, level=0.2 * (1 - voice) ** 0.5),
        tone(VOICE, seconds, RATE, level=0.2 * voice**0.5),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(write_wav(to_int16(parts[0] + parts[1])))
    return path


def loudest_colour(samples: Wave) -> str:
    """What a recogniser of this language would write."""
    power = np.abs(np.fft.rfft(samples, RATE)) ** 2
    return max(PITCHES, key=lambda colour: float(power[PITCHES[colour]]))


class TinyRecogniser:
    """Writes the colour that it hears, or what it is told to."""

    name = "tiny"

    def __init__(self) -> None:
        self.asked = 0
        self.write: Callable[[str], str] = lambda colour: colour

    def transcribe(self, samples: Wave) -> Transcript:
        self.asked += 1
        text = self.write(loudest_colour(samples))
        return Transcript(text, (Hypothesis(text, 1.0),) if text else (), "en", 0.9)


def _graph(sign: int) -> onnx.ModelProto:
    """The powers at four pitches: those of colours weigh the colours, the voice's share is the score of speech."""
    pitches = [*PITCHES.values(), VOICE]
    turns = 2 * np.pi * np.outer(np.arange(WINDOW) / RATE, pitches)
    basis = np.concatenate([np.cos(turns), np.sin(turns)], axis=1) / WINDOW
    colours = [sign * np.repeat(np.float32(COLOURS[colour]) - 127.5, DIM // 3) for colour in PITCHES]
    constants = {
        "basis": basis,
        "pairs": np.concatenate([np.eye(4), np.eye(4)]),
        "table": np.stack([*colours, np.zeros(DIM)]),
        "kinds": np.array([[1.0, 0.0]] * 3 + [[0.0, 1.0]]),
        "little": np.float32(1e-12),
        "axis": np.int64([1]),
    }
    nodes = [
        helper.make_node("MatMul", ["waveform", "basis"], ["waves"]),
        helper.make_node("Mul", ["waves", "waves"], ["squares"]),
        helper.make_node("MatMul", ["squares", "pairs"], ["powers"]),
        helper.make_node("MatMul", ["powers", "table"], ["embedding"]),
        helper.make_node("ReduceSum", ["powers", "axis"], ["sum"], keepdims=1),
        helper.make_node("Add", ["sum", "little"], ["total"]),
        helper.make_node("Div", ["powers", "total"], ["shares"]),
        helper.make_node("MatMul", ["shares", "kinds"], ["scores"]),
    ]
    values = {n: v if v.dtype == np.int64 else v.astype(np.float32) for n, v in constants.items()}
    graph = helper.make_graph(
        nodes,
        "tiny sound",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["n", WINDOW])],
        [
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", DIM]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 2]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
