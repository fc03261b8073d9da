"""torch modules -> ONNX graphs that take any number of inputs."""

from __future__ import annotations

import contextlib
import copy
import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from bouba.errors import TrainingError

OPSET = 17  # the first with LayerNormalization; every ONNX Runtime that bouba accepts runs it
Examples = Mapping[str, Tensor]


def export_graph(
    module: nn.Module, examples: Examples, outputs: Sequence[str], path: Path, *, opset: int = OPSET
) -> None:
    """Write `module` as one ONNX file with the inputs' and outputs' names given.

    The first axis of every input and output is free, and the second of token ids and masks int64 [n, t] as well.
    Give at least two rows, so that no axis looks like one that broadcasts. The graph is tried on another number and
    length than the examples'. Raises TrainingError where the network does what ONNX has no words for.
    """
    reasons = []
    with plain(module) as network, torch.no_grad():
        for export in (_by_tracing, _by_torch_export):
            try:
                with _quiet():
                    export(network, examples, outputs, path, opset)
                    _try_out(network, _other_sizes(examples), path)
                return
            except OSError:
                raise
            except Exception as error:  # exporters and ONNX Runtime raise many kinds
                reasons.append(f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}")
    raise TrainingError(f"{type(module).__name__} cannot be written as an ONNX graph. {' Then: '.join(reasons)}")


def _by_tracing(network: nn.Module, examples: Examples, outputs: Sequence[str], path: Path, opset: int) -> None:
    """The older exporter: a second where the other takes ten to thirty, for nearly every network."""
    free = {name: {0: "n", 1: "t"} if _is_text(tensor) else {0: "n"} for name, tensor in examples.items()}
    torch.onnx.export(
        network,
        tuple(examples.values()),
        str(path),
        input_names=list(examples),
        output_names=list(outputs),
        dynamic_axes=free | {name: {0: "n"} for name in outputs},
        opset_version=opset,
        dynamo=False,
    )


def _by_torch_export(network: nn.Module, examples: Examples, outputs: Sequence[str], path: Path, opset: int) -> None:
    """For networks whose Python fixes a length while it is traced, as nn.TransformerEncoderLayer's does."""
    free = torch.export.Dim.DYNAMIC
    program = torch.onnx.export(
        network,
        tuple(examples.values()),
        input_names=list(examples),
        # Named as given they clash with its own: it calls whatever nn.Embedding returns "embedding".
        output_names=[f"output/{name}" for name in outputs],
        dynamic_shapes=tuple({0: free, 1: free} if _is_text(tensor) else {0: free} for tensor in examples.values()),
        opset_version=max(opset, 18),
        dynamo=True,
        verbose=False,
    )
    assert program is not None  # None comes of the other exporter
    graph = onnx.compose.add_prefix(program.model_proto, "graph/", rename_inputs=False, rename_outputs=False)
    for made in [*graph.graph.node, *graph.graph.output]:
        names = made.output if isinstance(made, onnx.NodeProto) else None
        if names is not None:
            names[:] = [name.removeprefix("output/") for name in names]
        else:
            made.name = made.name.removeprefix("output/")
    onnx.save(graph, path)


def _is_text(tensor: Tensor) -> bool:
    return tensor.ndim == 2 and tensor.dtype == torch.int64


def _other_sizes(examples: Examples) -> dict[str, Tensor]:
    """One row more, and texts of two tokens less."""
    rows = {name: torch.cat([tensor, tensor[:1]]) for name, tensor in examples.items()}
    return {
        name: tensor[:, :-2] if _is_text(tensor) and tensor.shape[1] > 2 else tensor for name, tensor in rows.items()
    }


def _try_out(network: Callable[..., Tensor | tuple[Tensor, ...]], inputs: Examples, path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # a graph that fails here is not the last word
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    found = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
    wanted = network(*inputs.values())
    for one, other in zip(found, [wanted] if isinstance(wanted, Tensor) else wanted, strict=True):
        if not np.allclose(one, other.numpy(), rtol=1e-2, atol=1e-3 * float(other.abs().max())):
            raise ValueError("the graph gives other numbers than the network for inputs of another size")


@contextmanager
def _quiet() -> Iterator[None]:
    """Both exporters warn of every constant they meet; `_try_out` finds those that matter."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


@contextmanager
def plain(module: nn.Module) -> Iterator[nn.Module]:
    """The network in evaluation mode, in float32 on the CPU; the caller's own keeps its modes, type and device."""
    modes = {part: part.training for part in module.modules()}
    fast = torch.backends.mha.get_fastpath_enabled()
    tensors = [*module.parameters(), *module.buffers()]
    moved = any(t.device.type != "cpu" or (t.is_floating_point() and t.dtype != torch.float32) for t in tensors)
    torch.backends.mha.set_fastpath_enabled(False)  # nn.TransformerEncoderLayer's fused operator has no ONNX form
    try:
        yield (copy.deepcopy(module).cpu().float() if moved else module).eval()
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for part, training in modes.items():
            part.training = training
