"""What each cell of a picture tower's last map would embed to, beside an embedding that stays as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

import onnx  # noqa: E402
import onnxruntime  # noqa: E402
from onnx import numpy_helper  # noqa: E402
from tiny_towers import DIM, MAX_TOKENS, SIZE, TinyImage, TinyText, tokenizer_json  # noqa: E402
from torch import Tensor, nn  # noqa: E402

import bouba  # noqa: E402
from bouba.training.export import (  # noqa: E402
    PRECISIONS,
    HeadFacts,
    ModelFacts,
    Precision,
    export_graph,
    with_heads,
    write_model,
)
from bouba.training.export.grid import with_grid, without_grid  # noqa: E402
from bouba.training.export.probes import drawn_pictures  # noqa: E402

SIDE, CHANNELS = 8, 48  # of the last map
PIXELS = drawn_pictures(32, SIZE, seed=5)
FACTS = ModelFacts(
    "tiny-pooled", "0.1", "CC0-1.0", DIM, SIZE, (127.5,) * 3, (127.5,) * 3, tokenizer_json(), MAX_TOKENS
)  # fmt: skip


class Pooled(nn.Module):
    """uint8 [n, 32, 32, 3] -> unit rows [n, 24]: a head of two layers on the mean over a map."""

    def __init__(self, pool: Callable[[Tensor], Tensor] = lambda x: x.mean((2, 3))) -> None:
        super().__init__()
        tiny = TinyImage()
        self.stem, self.body, self.pool = tiny.stem, tiny.body, pool
        self.head = nn.Sequential(nn.Linear(CHANNELS, 400), nn.GELU(approximate="tanh"), nn.Linear(400, DIM))
        self.eval()

    def map(self, pixels: Tensor) -> Tensor:
        return self.body(torch.relu(self.stem(((pixels.float() - 127.5) / 127.5).permute(0, 3, 1, 2))))

    def forward(self, pixels: Tensor) -> Tensor:
        return nn.functional.normalize(self.head(self.pool(self.map(pixels))), dim=-1)


class Squeezed(Pooled):
    """Channels weighed by a mean of an earlier map (squeeze and excite), which is not the one that is embedded."""

    def map(self, pixels: Tensor) -> Tensor:
        x = super().map(pixels)
        return x * torch.sigmoid(x.mean((2, 3), keepdim=True))


POOLS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda x: x.mean((2, 3)),
    "kept axes": lambda x: x.mean((2, 3), keepdim=True).flatten(1),
    "adaptive": lambda x: nn.functional.adaptive_avg_pool2d(x, 1).flatten(1),
    "channels last": lambda x: x.permute(0, 2, 3, 1).mean((1, 2)),
    "tokens": lambda x: x.flatten(2).transpose(1, 2).mean(1),
}


def graph_of(module: nn.Module, folder: Path) -> onnx.ModelProto:
    path = folder / "image.onnx"
    export_graph(module, {"pixels": torch.zeros(2, SIZE, SIZE, 3, dtype=torch.uint8)}, ["embedding"], path)
    return onnx.load(path)


def run(model: onnx.ModelProto, output: str, **more: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run([output], {"pixels": np.stack(PIXELS), **more})[0])


def cells_of(module: Pooled) -> np.ndarray:
    """In torch: the head on every cell by itself."""
    with torch.no_grad():
        cells = module.map(torch.from_numpy(np.stack(PIXELS))).permute(0, 2, 3, 1)
        return nn.functional.normalize(module.head(cells), dim=-1).numpy()


@pytest.mark.parametrize("pool", POOLS)
def test_a_cell_is_what_the_head_makes_of_it(pool: str, tmp_path: Path) -> None:
    module = Pooled(POOLS[pool])
    model = graph_of(module, tmp_path)
    larger, grid = with_grid(model, SIZE)
    onnx.checker.check_model(larger, full_check=True)
    assert grid == (SIDE, SIDE)
    np.testing.assert_allclose(run(larger, "grid", cells=np.array(True)), cells_of(module), atol=1e-4)


def test_the_embedding_stays_the_same_and_costs_the_same(tmp_path: Path) -> None:
    model = graph_of(Pooled(), tmp_path)
    larger, _ = with_grid(model, SIZE)
    assert np.array_equal(run(larger, "embedding"), run(model, "embedding"))
    assert run(larger, "grid").shape == (0, SIDE, SIDE, DIM)  # unless it is asked for


def test_an_earlier_mean_is_not_taken_for_the_last(tmp_path: Path) -> None:
    module = Squeezed()
    larger, grid = with_grid(graph_of(module, tmp_path), SIZE)
    assert grid == (SIDE, SIDE)
    np.testing.assert_allclose(run(larger, "grid", cells=np.array(True)), cells_of(module), atol=1e-4)


@pytest.mark.parametrize(
    "module",
    [
        TinyImage(),  # its head takes four means at once
        Pooled(lambda x: x.mean((2, 3)) + x[:, :, 0, 0]),  # and its head sees a cell beside the mean
        Pooled(lambda x: x.amax((2, 3))),
        Pooled(lambda x: x.double().mean((2, 3)).float()),  # which is in no format that is looked at
    ],
)
def test_a_tower_that_embeds_no_mean_has_no_grid(module: nn.Module, tmp_path: Path) -> None:
    model = graph_of(module, tmp_path)
    before = model.SerializeToString()
    same, grid = with_grid(model, SIZE)
    assert grid is None
    assert same.SerializeToString() == before


def test_what_was_added_can_be_taken_off(tmp_path: Path) -> None:
    model = graph_of(Pooled(), tmp_path)
    larger, _ = with_grid(model, SIZE)
    assert without_grid(larger).SerializeToString() == model.SerializeToString()
    assert without_grid(model).SerializeToString() == larger.SerializeToString()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Precision, Path]:
    root, towers = tmp_path_factory.mktemp("folders"), (Pooled(), TinyText())
    return {
        precision: write_model(root / precision, *towers, card=FACTS, precision=precision, calibration=PIXELS[:16])
        for precision in PRECISIONS
    }


@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_weight_is_stored_twice(folders: dict[Precision, Path], precision: Precision) -> None:
    folder = folders[precision]
    model = onnx.load(folder / "image.onnx")
    with_it = (folder / "image.onnx").stat().st_size
    added = with_it - without_grid(model).ByteSize()
    assert 0 < added < 0.2 * sum(numpy_helper.to_array(w).nbytes for w in model.graph.initializer)
    assert json.loads((folder / "model.json").read_text())["image"]["grid"] == [SIDE, SIDE]


def test_the_folder_gives_unit_cells_near_the_modules(folders: dict[Precision, Path]) -> None:
    cells = bouba.load_model(folders["int8"]).encode_grid(PIXELS)
    np.testing.assert_allclose(np.linalg.norm(cells, axis=-1), 1, rtol=1e-5)
    assert (cells * cells_of(Pooled())).sum(-1).mean() > 0.97


def test_heads_on_top_of_a_folder_see_its_cells(folders: dict[Precision, Path], tmp_path: Path) -> None:
    base = folders["fp32"]
    torch.manual_seed(2)
    heads = nn.Linear(DIM, 10), nn.Linear(DIM, 10)
    folder = with_heads(base, *heads, tmp_path / "adapted", facts=HeadFacts("adapted", "1"))
    again = with_heads(folder, nn.Identity(), nn.Identity(), tmp_path / "again", facts=HeadFacts("again", "1"))
    with torch.no_grad():
        wanted = nn.functional.normalize(heads[0](torch.from_numpy(cells_of(Pooled()))), dim=-1).numpy()
    for place in (folder, again):
        np.testing.assert_allclose(bouba.load_model(place).encode_grid(PIXELS), wanted, atol=1e-4)


def test_a_folder_without_a_grid_says_so(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", TinyImage(), TinyText(), card=FACTS, precision="fp32")
    assert json.loads((folder / "model.json").read_text())["image"]["grid"] is None
    with pytest.raises(bouba.BoubaError, match=r"tiny-pooled 0\.1 has no grid"):
        bouba.load_model(folder).encode_grid(PIXELS)
