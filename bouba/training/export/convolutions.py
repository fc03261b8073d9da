"""Convolutions in int8 with static scales: what makes a picture tower small and fast on a CPU.

Scales come from calibration pictures (Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference"): one for each activation, one for each output channel of a weight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from bouba.errors import TrainingError
from bouba.training.export.rounding import round_weights

if TYPE_CHECKING:
    from bouba.types import Pixels

FEWEST_PICTURES = 16  # for calibration; a few hundred are better
FEWEST_CONVOLUTIONS = 4  # below that the body is not convolutional (a ViT has one, for its patches)
FIRST = 3  # convolutions that are left in float32 at the second try; they see the pixels, and cost little
GOOD_COSINE = 0.992  # mean, to the float32 graph on calibration pictures: a little over what the folder must reach
JUDGED, MEASURED = 64, 64  # calibration pictures that graphs are compared on, that means are taken from
Floats = npt.NDArray[np.float32]


def quantise_convolutions(source: Path, pictures: Sequence[Pixels], say: Callable[[str], None]) -> onnx.ModelProto:
    """The graph of `source` (`pixels` -> `embedding`) with its convolutions in int8.

    The first convolutions stay in float32 where the vectors suffer otherwise. Where that does not help, or
    the body is not convolutional, the graph comes back as it was. `pictures` are uint8 [size, size, 3]. Raises
    TrainingError for too few of them.
    """
    if len(pictures) < FEWEST_PICTURES:
        raise TrainingError(
            f"int8 needs pictures like those of the training to find its scales: {len(pictures)} given, at least "
            f"{FEWEST_PICTURES} needed, a few hundred are better. Without any, use int8-weights."
        )
    with TemporaryDirectory() as scratch:
        folded = Path(scratch) / "folded.onnx"
        quant_pre_process(str(source), str(folded), skip_symbolic_shape=True)
        names = [node.name for node in onnx.load(folded).graph.node if node.op_type == "Conv"]
        if len(names) < FEWEST_CONVOLUTIONS:
            say("The picture tower is not convolutional: its weights are stored in int8, computed in float32.")
            return onnx.load(source)
        judged = _some(pictures, JUDGED)
        wanted = _embeddings(folded, judged)
        for kept in ([], names[:FIRST]):
            target = Path(scratch) / "int8.onnx"
            small = _quantised(folded, target, pictures, kept)
            cosine = mean_cosine(wanted, _embeddings(target, judged))
            say(f"int8, {len(names) - len(kept)} of {len(names)} convolutions: cosine {cosine:.4f} to float32.")
            if cosine >= GOOD_COSINE:
                return small
    say("int8 convolutions change the vectors too much: weights are stored in int8, computed in float32.")
    return onnx.load(source)


def _quantised(folded: Path, target: Path, pictures: Sequence[Pixels], kept: Sequence[str]) -> onnx.ModelProto:
    """Weights keep 7 bits: with 8, processors without VNNI saturate inside their u8 x s8 products, and the same picture
    would get another vector there."""
    model = onnx.load(folded)
    round_weights(model, _some(pictures, MEASURED), kept, target.parent)
    rounded = target.with_name("rounded.onnx")
    onnx.save(model, rounded)
    quantize_static(
        str(rounded),
        str(target),
        _Calibration(pictures),
        quant_format=QuantFormat.QDQ,
        # Additions and activations between convolutions stay integers; the normalisation and the head do not.
        op_types_to_quantize=["Conv", "Add", "MaxPool", "Clip", "Relu"],
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=[*kept, *_outside_the_body(model.graph)],
    )
    return onnx.load(target)


def _some(pictures: Sequence[Pixels], count: int) -> Sequence[Pixels]:
    """Evenly spread."""
    return pictures[:: -(-len(pictures) // count)]


def _outside_the_body(graph: onnx.GraphProto) -> list[str]:
    """Operators before the first and after the last convolution: the normalisation and the head."""
    places = [i for i, node in enumerate(graph.node) if node.op_type == "Conv"]
    return [node.name for i, node in enumerate(graph.node) if node.op_type == "Add" and not places[0] < i < places[-1]]


class _Calibration(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, pictures: Sequence[Pixels]) -> None:
        self._feeds: Iterator[dict[str, Any]] = ({"pixels": picture[None]} for picture in pictures)

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)


def _embeddings(path: Path, pictures: Sequence[Pixels]) -> Floats:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(["embedding"], {"pixels": picture[None]})[0] for picture in pictures])


def mean_cosine(one: Floats, other: Floats) -> float:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(((one * other).sum(axis=1) / np.maximum(lengths, 1e-12)).mean())
