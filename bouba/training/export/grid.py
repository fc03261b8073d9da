"""A second output of a picture tower's graph: what each cell of its last feature map would embed to by itself.

A tower whose features are the mean over such a map has a head that takes the features of a single cell as well. As in
class activation maps (Zhou et al. 2016, "Learning Deep Features for Discriminative Localization"), what the head makes
of a cell says what stands there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from bouba.encoders.manifest import CELLS, GRID
from bouba.training.export.probes import drawn_pictures

PREFIX = "cell/"  # of every name that is added
CHANNELS_FIRST = (0, 2, 3, 1)  # the order of axes that puts the channels of [n, channels, h, w] last
TRIED = 2  # pictures that both graphs are compared on
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pooling:
    """The mean over a map: all that the nodes `head` learn of the picture."""

    map: str
    mean: str
    head: list[onnx.NodeProto]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a map lies: [n, channels, rows, columns], [n, rows, columns, channels] or [n, rows * columns, channels]."""

    rows: int
    columns: int
    channels_last: bool


def with_grid(model: onnx.ModelProto, size: int) -> tuple[onnx.ModelProto, tuple[int, int] | None]:
    """A graph `pixels` uint8 [n, size, size, 3] -> `embedding` [n, dim] with the output `grid` [n, rows, columns, dim]
    as well: the head once more, with the same weights, for every cell of the map whose mean it takes.

    Returns it with its rows and columns; `model` as it is and None where the embedding comes of no such mean. The grid
    is computed only where the input `cells` is true, which it is not by default (ONNX Runtime computes every output,
    whichever are asked for), and the embedding stays the same to the bit.
    """
    for pooling in _poolings(model.graph):
        found = _run(model, [pooling.map, pooling.mean, "embedding"], size)
        layout = _layout(found[0], found[1]) if found else None
        if found is None or layout is None:
            continue
        _, mean, embedding = found
        larger = onnx.ModelProto()
        larger.CopyFrom(model)
        shape = (-1, layout.rows, layout.columns, embedding.shape[1])
        _add(larger.graph, pooling, layout.channels_last, (-1, *mean.shape[1:]), shape)
        if _holds(larger, embedding, shape[1:], size):
            return larger, (layout.rows, layout.columns)
    return model, None


def without_grid(model: onnx.ModelProto) -> onnx.ModelProto:
    """What `with_grid` was given; changes `model` in place."""
    graph = model.graph
    for added in (graph.output, graph.node, graph.input, graph.initializer):
        for entry in [entry for entry in added if _is_added(entry)]:
            added.remove(entry)
    return model


def _is_added(entry: onnx.NodeProto | onnx.ValueInfoProto | onnx.TensorProto) -> bool:
    return entry.name in (CELLS, GRID) or entry.name.startswith(PREFIX)


def _poolings(graph: onnx.GraphProto) -> Iterator[Pooling]:
    """Means through which all goes that the embedding knows of the picture, the last first."""
    seen = _after(graph, "pixels")
    for node in reversed(graph.node):
        after = _after(graph, node.output[0])
        if node.op_type not in ("GlobalAveragePool", "ReduceMean") or "embedding" not in after:
            continue
        head = [other for other in graph.node if not after.isdisjoint(other.input)]
        beside = {name for other in head for name in other.input} & seen - after
        if not beside and not any(attribute.HasField("g") for other in head for attribute in other.attribute):
            yield Pooling(node.input[0], node.output[0], head)


def _after(graph: onnx.GraphProto, name: str) -> set[str]:
    """`name`, and all that is computed from it."""
    found = {name}
    for node in graph.node:
        if not found.isdisjoint(node.input):
            found.update(node.output)
    return found


def _run(model: onnx.ModelProto, names: Sequence[str], size: int) -> list[Floats] | None:
    """These tensors for two pictures; None where ONNX Runtime cannot give them."""
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    there = {output.name for output in opened.graph.output}
    opened.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names if name not in there
    )
    feed: dict[str, npt.NDArray[np.generic]] = {"pixels": np.stack(drawn_pictures(TRIED, size))}
    if GRID in names:
        feed[CELLS] = np.array(True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # a graph that cannot be run has no grid, which is no news
    try:
        session = onnxruntime.InferenceSession(opened.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return [np.asarray(found) for found in session.run(list(names), feed)]
    except Exception:  # a head that was traced for one number of rows; ONNX Runtime's errors share no public base class
        return None


def _layout(one: Floats, mean: Floats) -> Layout | None:
    """How the map lies of which `mean` is the mean, if it is one over places."""
    flat = mean.reshape(len(mean), -1)
    if one.ndim == 4 and _is_mean(one.mean((2, 3)), flat):
        return Layout(one.shape[2], one.shape[3], channels_last=False)
    if one.ndim == 4 and _is_mean(one.mean((1, 2)), flat):
        return Layout(one.shape[1], one.shape[2], channels_last=True)
    side = math.isqrt(one.shape[1]) if one.ndim == 3 else 0
    if side > 1 and side**2 == one.shape[1] and _is_mean(one.mean(1), flat):
        return Layout(side, side, channels_last=True)
    return None


def _is_mean(found: Floats, wanted: Floats) -> bool:
    return found.shape == wanted.shape and np.allclose(found, wanted, atol=1e-3 * float(np.abs(wanted).max()))


def _add(
    graph: onnx.GraphProto, pooling: Pooling, channels_last: bool, rows: Sequence[int], shape: Sequence[int]
) -> None:
    """The head for inputs of the shape `rows`, its outputs as a grid of `shape`, where `cells` is true."""
    there = pooling.map if channels_last else f"{PREFIX}map"
    nodes = [] if channels_last else [helper.make_node("Transpose", [pooling.map], [there], perm=CHANNELS_FIRST)]
    nodes.append(helper.make_node("Reshape", [there, f"{PREFIX}rows"], [PREFIX + pooling.mean]))
    made = {pooling.mean, *(name for node in pooling.head for name in node.output)}
    nodes += [_copy(node, made) for node in pooling.head]
    nodes.append(helper.make_node("Reshape", [f"{PREFIX}embedding", f"{PREFIX}shape"], [f"{PREFIX}all"]))
    nothing = numpy_helper.from_array(np.zeros((0, *shape[1:]), np.float32))
    none = helper.make_node("Constant", [], [f"{PREFIX}none"], value=nothing)
    for name, value in (("rows", rows), ("shape", shape)):
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), PREFIX + name))
    graph.initializer.append(numpy_helper.from_array(np.array(False), CELLS))  # unless it is given
    graph.input.append(helper.make_tensor_value_info(CELLS, TensorProto.BOOL, []))
    branches = {"then_branch": (nodes, "all"), "else_branch": ([none], "none")}
    graphs = {
        name: helper.make_graph(inner, PREFIX + out, [], [_value(PREFIX + out, shape)])
        for name, (inner, out) in branches.items()
    }
    graph.node.append(helper.make_node("If", [CELLS], [GRID], GRID, **graphs))
    graph.output.append(_value(GRID, shape))


def _value(name: str, shape: Sequence[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["cells of n", *shape[1:]])


def _copy(node: onnx.NodeProto, made: set[str]) -> onnx.NodeProto:
    """The same node between tensors of other names."""
    copied = onnx.NodeProto()
    copied.CopyFrom(node)
    copied.name = node.name and PREFIX + node.name
    copied.input[:] = [PREFIX + name if name in made else name for name in node.input]
    copied.output[:] = [name and PREFIX + name for name in node.output]
    return copied


def _holds(model: onnx.ModelProto, embedding: Floats, shape: Sequence[int], size: int) -> bool:
    """Whether it runs, and gives the embedding that it gave before."""
    found = _run(model, ["embedding", GRID], size)
    if found is None:
        return False
    same, cells = np.array_equal(found[0], embedding), found[1]
    return same and cells.shape[1:] == tuple(shape) and bool(np.isfinite(cells).all())
