"""ONNX graphs run by whichever provider a setting names: ONNX Runtime's, on CPU or GPU, or OpenVINO.

All give the same vectors but for rounding: cosines of at least 0.999, so that a gallery made with one is searched with
another. OpenVINO multiplies the weights of an `int8-weights` folder in integers, with a scale for each `Setting.group`
numbers of each row of an activation: found at run time, yet of one input alone, so that a vector depends on no
neighbour. Graphs with static int8 scales stay with ONNX Runtime, for which they were made: OpenVINO rounds them in
other places (cosines of the built-in picture tower down to 0.997), and GPU providers have no kernels for them.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from bouba.encoders.setting import AUTO, CPU, VARIABLE, Setting, forced_provider
from bouba.errors import ModelError, ModelMissing

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    Array = npt.NDArray[Any]

OPENVINO, DIRECTML = "openvino", "directml"
# GPUs first by how often they are the faster one. TensorRT is not among them: it builds an engine for each shape.
GPUS = {
    "cuda": "CUDAExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    DIRECTML: "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
# Every ONNX Runtime for macOS carries CoreML, and whether it helps depends on the graph: `bouba tune` finds out.
UNASKED = ("cuda", "migraphx", "rocm", DIRECTML)
STATIC_INT8 = b"QuantizeLinear"  # the operator's name in the bytes of an ONNX file


class Graph(Protocol):
    """A loaded graph; safe to run from several threads."""

    provider: str  # where it runs, one of `providers()`

    def run(self, outputs: Sequence[str], feed: Mapping[str, Array]) -> list[Array]: ...


class Refused(Exception):
    """A provider that is not there, or cannot run a graph; the message says why."""


def providers() -> list[str]:
    """What this machine's packages could run a graph with, the CPU first."""
    import onnxruntime

    there = onnxruntime.get_available_providers()
    gpus = [name for name, provider in GPUS.items() if provider in there]
    return [CPU, *([OPENVINO] if find_spec("openvino") else []), *gpus]


def open_graph(data: bytes, setting: Setting) -> Graph:
    """The graph in the bytes of an ONNX file. A provider that cannot run it gives way to the CPU, unless
    $BOUBA_PROVIDER asks for it, which raises ModelMissing. Raises Refused where the CPU cannot run it either."""
    if setting.provider == OPENVINO and STATIC_INT8 in data:
        return _opened(data, CPU, setting)
    if setting.provider == forced_provider() not in (AUTO, CPU):
        _check_wanted(setting.provider)
        try:
            return _opened(data, setting.provider, setting)
        except Refused as error:
            raise ModelMissing(
                f"{VARIABLE}={setting.provider} cannot run this model: {error}. Unset it, or set it to cpu."
            ) from error
    for provider in _candidates(data, setting.provider):
        try:
            return _opened(data, provider, setting)
        except Refused:  # the CPU is slower, and always there
            continue
    return _opened(data, CPU, setting)


def _candidates(data: bytes, wanted: str) -> Iterator[str]:
    """Before the CPU, those to try."""
    there = providers()
    if wanted in there and wanted != CPU:
        yield wanted
    elif wanted == AUTO and STATIC_INT8 not in data:
        yield from (name for name in UNASKED if name in there)


def _check_wanted(provider: str) -> None:
    there = providers()
    if provider in there:
        return
    if provider == OPENVINO:
        raise ModelMissing(f"{VARIABLE}={OPENVINO} needs the package openvino: pip install 'bouba[openvino]'.")
    if provider in GPUS:
        raise ModelMissing(
            f"{VARIABLE}={provider}: the ONNX Runtime that is installed has no {GPUS[provider]}, only "
            f"{', '.join(there)}. Install the build of ONNX Runtime for this GPU, or set {VARIABLE}=cpu."
        )
    known = ", ".join([AUTO, CPU, OPENVINO, *GPUS])
    raise ModelMissing(f"{VARIABLE}={provider!r} is none of {known}.")


def _opened(data: bytes, provider: str, setting: Setting) -> Graph:
    return _OpenVino(data, setting) if provider == OPENVINO else _OnnxRuntime(data, provider, setting.threads)


class _OnnxRuntime:
    def __init__(self, data: bytes, provider: str, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads
        # Idle threads that spin would take the cores from the decoders that run beside the encoder.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if provider == DIRECTML:  # its documentation asks for both
            options.enable_mem_pattern = False
        self._turn = threading.Lock() if provider == DIRECTML else nullcontext()
        self.provider = provider
        self._session: InferenceSession = self._started(data, options)

    def _started(self, data: bytes, options: Any) -> InferenceSession:
        import onnxruntime

        wanted = [GPUS[self.provider]] if self.provider != CPU else []
        try:
            session = onnxruntime.InferenceSession(
                data,
                options,
                providers=[*wanted, "CPUExecutionProvider"],
                enable_fallback=0,  # its own way to fall back prints to standard output, where answers stand
            )
        except Exception as error:  # ONNX Runtime's errors share no public base class
            raise Refused(_first_line(error)) from error
        if wanted and session.get_providers()[0] not in wanted:  # a library was missing; ONNX Runtime said which
            raise Refused(f"ONNX Runtime could not start its {wanted[0]}")
        return session

    def run(self, outputs: Sequence[str], feed: Mapping[str, Array]) -> list[Array]:
        try:
            with self._turn:
                return [np.asarray(found) for found in self._session.run(list(outputs), dict(feed))]
        except Exception as error:
            raise _failed(self.provider, error) from error


class _OpenVino:
    def __init__(self, data: bytes, setting: Setting) -> None:
        openvino = _silent_openvino()
        self.provider = OPENVINO
        config: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "f32",  # else some processors take bfloat16, and vectors depend on the machine
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": str(setting.group),
            "NUM_STREAMS": "1",
            "ENABLE_CPU_PINNING": False,  # decoders run beside the encoder
        }
        if setting.threads:
            config["INFERENCE_NUM_THREADS"] = setting.threads
        try:
            core = openvino.Core()
            self._compiled = core.compile_model(core.read_model(model=data, weights=b""), "CPU", config)
        except Exception as error:  # RuntimeError, and others of what it is built on
            raise Refused(_first_line(error)) from error
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()  # a request holds one caller's tensors

    def run(self, outputs: Sequence[str], feed: Mapping[str, Array]) -> list[Array]:
        try:
            request = self._idle.get_nowait()
        except queue.Empty:
            request = self._compiled.create_infer_request()
        try:
            request.infer(dict(feed), share_inputs=True)
            return [np.array(request.get_tensor(name).data) for name in outputs]
        except Exception as error:
            raise _failed(self.provider, error) from error
        finally:
            self._idle.put(request)


def _silent_openvino() -> Any:
    """The package, without the report to its makers that importing it sends, from every user who has not opted out.
    Where its telemetry cannot be imported it takes a stub of its own."""
    telemetry = "openvino_telemetry"
    hidden = telemetry not in sys.modules
    if hidden:
        sys.modules[telemetry] = None  # type: ignore[assignment]  # Python's own way to say that there is no such module
    try:
        import openvino
    except ImportError as error:
        raise Refused(_first_line(error)) from error
    finally:
        if hidden:
            del sys.modules[telemetry]
    return openvino


def _failed(provider: str, error: Exception) -> ModelError:
    way_out = "Fetch the model again." if provider == CPU else f"Set {VARIABLE}=cpu, or give it smaller batches."
    return ModelError(f"A tower failed while it ran on {provider}: {_first_line(error)}. {way_out}")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(". ")
