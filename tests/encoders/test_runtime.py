"""Which provider runs a graph, what becomes of one that cannot, and that all give the same vectors."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from tiny_model import COLOURS, SIZE, write_tiny_model

from bouba.encoders import Model, load_model
from bouba.encoders.runtime import Refused, open_graph, providers
from bouba.encoders.setting import VARIABLE, Setting, Settings
from bouba.errors import ModelError, ModelMissing

WIDTH, DIM = 256, 192
needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="needs bouba[openvino]")


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: tmp_path / "cache")


@pytest.fixture
def with_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ONNX Runtime that says it has CUDA, and cannot start it, as where its libraries are missing."""
    there = ["CUDAExecutionProvider", *onnxruntime.get_available_providers()]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The first provider of each session that is started."""
    names: list[str] = []
    start = onnxruntime.InferenceSession

    def recorded(*arguments: Any, **more: Any) -> Any:
        names.append(more["providers"][0])
        return start(*arguments, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", recorded)
    return names


def graph(nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray]) -> bytes:
    """`x` [n, WIDTH] -> `embedding` [n, DIM]."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", WIDTH])
    out = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", DIM])
    values = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    made = helper.make_graph(nodes, "test", [x], [out], values)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def product() -> bytes:
    weight = np.random.default_rng(0).normal(size=(WIDTH, DIM)).astype(np.float32)
    return graph([helper.make_node("MatMul", ["x", "w"], ["embedding"])], {"w": weight})


def static_int8() -> bytes:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        helper.make_node("MatMul", ["d", "w"], ["embedding"]),
    ]
    return graph(nodes, {"w": np.ones((WIDTH, DIM), np.float32), "scale": np.float32(0.1), "zero": np.uint8(128)})


def rows(count: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, WIDTH)).astype(np.float32)


def test_the_cpu_comes_first_and_is_enough(asked: list[str]) -> None:
    assert providers()[0] == "cpu"
    opened = open_graph(product(), Setting())
    assert opened.provider == "cpu"
    assert opened.run(["embedding"], {"x": rows(3)})[0].shape == (3, DIM)
    assert asked == ["CPUExecutionProvider"]


@pytest.mark.usefixtures("with_cuda")
@pytest.mark.parametrize("wanted", ["auto", "cuda"])
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_gpu_that_does_not_start_gives_way(wanted: str, asked: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    opened = open_graph(product(), Setting(wanted))
    assert asked == ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert opened.provider == "cpu"
    np.testing.assert_array_equal(
        opened.run(["embedding"], {"x": rows(3)})[0],
        open_graph(product(), Setting("cpu")).run(["embedding"], {"x": rows(3)})[0],
    )
    assert capfd.readouterr().out == ""  # where answers stand


@pytest.mark.usefixtures("with_cuda")
def test_a_gpu_whose_session_raises_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    start = onnxruntime.InferenceSession

    def broken(*arguments: Any, **more: Any) -> Any:
        if more["providers"][0] != "CPUExecutionProvider":
            raise RuntimeError("CUDA failure 100: no CUDA-capable device is detected")
        return start(*arguments, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", broken)
    assert open_graph(product(), Setting()).provider == "cpu"
    monkeypatch.setenv(VARIABLE, "cuda")
    with pytest.raises(ModelMissing, match=r"no CUDA-capable device.*set it to cpu"):
        open_graph(product(), Setting("cuda"))


@pytest.mark.usefixtures("with_cuda")
def test_the_variable_keeps_a_model_off_the_gpu(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "cpu")
    load_model(write_tiny_model(tmp_path / "m")).encode_pixels(pixels(1))
    assert asked == ["CPUExecutionProvider"]


@pytest.mark.usefixtures("with_cuda")
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_pictures_go_to_a_gpu_and_questions_do_not(tmp_path: Path, asked: list[str]) -> None:
    model = load_model(write_tiny_model(tmp_path / "m"))
    model.encode_text(["red"])
    assert asked == ["CPUExecutionProvider"]
    model.encode_pixels(pixels(1))
    assert asked[1:] == ["CUDAExecutionProvider", "CPUExecutionProvider"]


@pytest.mark.usefixtures("with_cuda")
def test_static_int8_stays_on_the_cpu(asked: list[str]) -> None:
    assert open_graph(static_int8(), Setting()).provider == "cpu"
    assert open_graph(static_int8(), Setting("openvino")).provider == "cpu"
    assert asked == ["CPUExecutionProvider"] * 2


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("cuda", "no CUDAExecutionProvider, only cpu"),
        ("openvino", r"pip install 'bouba\[openvino\]'"),
        ("tpu", "none of auto, cpu, openvino, cuda"),
    ],
)
def test_what_the_variable_asks_for_has_to_be_there(
    wanted: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, wanted)
    monkeypatch.setattr("bouba.encoders.runtime.find_spec", lambda name: None)
    with pytest.raises(ModelMissing, match=message):
        load_model(write_tiny_model(tmp_path / "m")).encode_text(["red"])


def test_a_tuned_provider_that_was_uninstalled_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bouba.encoders.runtime.find_spec", lambda name: None)
    assert open_graph(product(), Setting("openvino", 2)).provider == "cpu"


def test_no_graph_at_all() -> None:
    with pytest.raises(Refused):
        open_graph(b"no graph", Setting("openvino"))


@pytest.mark.parametrize("provider", ["cpu", pytest.param("openvino", marks=needs_openvino)])
def test_a_run_that_fails_names_the_way_out(provider: str) -> None:
    opened = open_graph(product(), Setting(provider))
    with pytest.raises(ModelError, match=f"ran on {provider}"):
        opened.run(["embedding"], {"x": np.zeros((1, 3), np.float32)})
    assert opened.run(["embedding"], {"x": rows(1)})[0].shape == (1, DIM)


def pixels(count: int) -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [draw.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8) for _ in range(count)]


@needs_openvino
def test_openvino_gives_the_same_vectors(tiny_model_folder: Path) -> None:
    other = Setting("openvino", 1, batch=3)
    plain, fast = load_model(tiny_model_folder), Model(tiny_model_folder, "", Settings(other, other))
    assert fast.provider_of("image") == fast.provider_of("text") == "openvino"
    photos, texts = pixels(7), [*COLOURS, "red blue green", "what", "white " * 40]
    np.testing.assert_allclose(fast.encode_pixels(photos), plain.encode_pixels(photos), atol=1e-5)
    np.testing.assert_allclose(fast.encode_text(texts), plain.encode_text(texts), atol=1e-5)


@needs_openvino
def test_openvino_leaves_the_grid_to_onnx_runtime(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from tiny_grid import write_tiny_grid

    folder = write_tiny_grid(tmp_path / "m")
    plain, fast = load_model(folder), Model(folder, "", Settings(image=Setting("openvino")))
    assert fast.provider_of("image") == "openvino"
    np.testing.assert_allclose(fast.encode_pixels(pixels(2)), plain.encode_pixels(pixels(2)), atol=1e-5)
    np.testing.assert_array_equal(fast.encode_grid(pixels(2)), plain.encode_grid(pixels(2)))


@needs_openvino
@pytest.mark.parametrize("group", [0, 32, 64])
def test_integers_of_one_row_depend_on_no_other(group: int) -> None:
    pytest.importorskip("torch")
    from bouba.training.export.precision import store_as

    data = store_as(onnx.load_from_string(product()), "int8-weights").SerializeToString()
    fast = open_graph(data, Setting("openvino", group=group))
    x = rows(40)
    x[7] *= 1_000  # would set the scale of all, if they shared one
    [found] = fast.run(["embedding"], {"x": x})
    [wanted] = open_graph(data, Setting("cpu")).run(["embedding"], {"x": x})
    cosines = (found * wanted).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
    assert cosines.min() > 0.999
    alone = np.concatenate([fast.run(["embedding"], {"x": row[None]})[0] for row in x])
    np.testing.assert_allclose(alone, found, rtol=1e-4, atol=1e-4 * np.abs(found).max(axis=1).min())


@needs_openvino
def test_several_threads_do_not_share_tensors() -> None:
    opened = open_graph(product(), Setting("openvino"))
    inputs = [rows(4) + n for n in range(24)]

    def run(x: np.ndarray) -> np.ndarray:
        return opened.run(["embedding"], {"x": x})[0]

    alone = [run(x) for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(run, inputs))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


@needs_openvino
def test_openvino_tells_nobody_that_it_is_used(tiny_model_folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys, bouba\n"
        f"assert bouba.load_model({str(tiny_model_folder)!r}).provider_of('text') == 'openvino'\n"
        "print([name for name in sys.modules if name.startswith('openvino_telemetry')])"
    )
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), VARIABLE: "openvino"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **home}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert not (tmp_path / "intel").exists()  # where its telemetry keeps the user's number


def test_a_batch_is_no_larger_than_the_setting(tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    model = Model(tiny_model_folder, "", Settings(Setting("cpu", batch=3), Setting("cpu", batch=2)))

    def counting(run: Callable[..., Any]) -> Callable[..., Any]:
        def counted(outputs: Any, feed: dict[str, np.ndarray]) -> Any:
            sizes.append(len(next(iter(feed.values()))))
            return run(outputs, feed)

        return counted

    for tower in ("image", "text"):
        model.provider_of(tower)
    for loaded in model._graphs.values():
        monkeypatch.setattr(loaded, "run", counting(loaded.run))
    model.encode_image([Image.new("RGB", (9, 9), colour) for colour in [*COLOURS, "red"]])
    model.encode_text(["red", "green", "blue"])
    assert sizes == [3, 3, 1, 2, 1]
