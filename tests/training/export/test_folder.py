"""Modules -> a model folder: whole or not at all, in every precision, with the same vectors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

import onnx  # noqa: E402
from tiny_model import write_tiny_model  # noqa: E402
from tiny_towers import DIM, MAX_TOKENS, SIZE, TinyImage, TinyText, tokenizer_json  # noqa: E402

import bouba  # noqa: E402
from bouba.errors import TrainingError  # noqa: E402
from bouba.training.export import (  # noqa: E402
    PRECISIONS,
    ModelFacts,
    check_parity,
    torch_reference,
    write_model,
)
from bouba.training.export.probes import TEXTS, drawn_pictures  # noqa: E402

FACTS = ModelFacts(
    name="tiny-towers",
    version="0.1",
    licence="CC0-1.0",
    dim=DIM,
    size=SIZE,
    mean=(127.5,) * 3,
    std=(127.5,) * 3,
    tokenizer_json=tokenizer_json(),
    max_tokens=MAX_TOKENS,
    matryoshka=(8, 16),
    trained_on=({"name": "nothing", "rows": 1234, "terms": "none"},),
    sources=({"name": "noise", "licence": "CC0-1.0", "url": ""},),
    summary="Two untrained towers.",
    limits=("It knows nothing.",),
)
PIXELS = drawn_pictures(48, SIZE, seed=3)


def modules() -> tuple[torch.nn.Module, torch.nn.Module]:
    return TinyImage(), TinyText()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("folders")
    return {
        precision: write_model(root / precision, *modules(), card=FACTS, precision=precision, calibration=PIXELS)
        for precision in PRECISIONS
    }


def centred_cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Cosines about the mean: untrained towers give vectors that all look alike."""
    one, other = one - one.mean(0), other - one.mean(0)
    return (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)


def wanted() -> tuple[np.ndarray, np.ndarray]:
    reference = torch_reference(*modules(), tokenizer_json())
    vectors = reference.image(PIXELS), reference.text(TEXTS)
    return tuple(v / np.linalg.norm(v, axis=1, keepdims=True) for v in vectors)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("precision", "least"), [("fp32", 0.999999), ("fp16", 0.9999), ("int8-weights", 0.99), ("int8", 0.97)]
)
def test_the_folder_gives_the_vectors_of_the_modules(folders: dict[str, Path], precision: str, least: float) -> None:
    model = bouba.load_model(folders[precision])
    images, texts = wanted()
    assert centred_cosines(images, model.encode_pixels(PIXELS)).mean() > least
    assert centred_cosines(texts, model.encode_text(TEXTS)).mean() > min(least, 0.99)


@pytest.mark.parametrize("precision", ["int8-weights", "int8"])
def test_what_is_found_first_stays_among_the_first(folders: dict[str, Path], precision: str) -> None:
    model = bouba.load_model(folders[precision])
    images, texts = wanted()
    best = (texts @ images.T).argmax(1)
    found = (-(model.encode_text(TEXTS) @ model.encode_pixels(PIXELS).T)).argsort(1)[:, :10]
    assert np.mean([b in row for b, row in zip(best, found, strict=True)]) == 1


def test_smaller_precisions_are_smaller_files(folders: dict[str, Path]) -> None:
    sizes = {p: sum((folders[p] / f).stat().st_size for f in ("image.onnx", "text.onnx")) for p in PRECISIONS}
    assert sizes["int8"] < 0.6 * sizes["fp32"]
    assert sizes["int8-weights"] < sizes["fp16"] < 0.7 * sizes["fp32"]


def test_int8_runs_convolutions_on_integers_of_seven_bits(folders: dict[str, Path]) -> None:
    graph = onnx.load(folders["int8"] / "image.onnx").graph
    numbers = {w.name: onnx.numpy_helper.to_array(w) for w in graph.initializer}
    made = {name: node for node in graph.node for name in node.output}
    weights = [made[node.input[1]] for node in graph.node if node.op_type == "Conv"]
    assert [node.op_type for node in weights] == ["DequantizeLinear"] * 5
    assert all(np.abs(numbers[node.input[0]].astype(int)).max() <= 64 for node in weights)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_vector_does_not_depend_on_its_neighbours(folders: dict[str, Path], precision: str) -> None:
    model = bouba.load_model(folders[precision])
    assert np.allclose(model.encode_pixels(PIXELS)[:3], model.encode_pixels(PIXELS[:3]), atol=1e-6)
    assert np.allclose(model.encode_text(TEXTS)[:2], model.encode_text(TEXTS[:2]), atol=1e-6)


def test_the_folder_says_what_it_is(folders: dict[str, Path]) -> None:
    folder = folders["int8"]
    assert {p.name for p in folder.iterdir()} == {
        "README.md", "image.onnx", "metrics.json", "model.json", "text.onnx", "tokenizer.json",
    }  # fmt: skip
    manifest = bouba.load_model(folder).manifest
    assert (manifest.name, manifest.dim, manifest.matryoshka) == ("tiny-towers", DIM, [8, 16])
    parity = json.loads((folder / "metrics.json").read_text())["parity"]
    assert parity["precision"] == "int8"
    assert parity["image_cosine_mean"] >= 0.99
    card = (folder / "README.md").read_text()
    for words in ("license: cc0-1.0", "1,234", "first 8, 16 dimensions", "It knows nothing.", "Two untrained", "noise"):
        assert words in card


def test_metrics_are_in_the_card(tmp_path: Path) -> None:
    metrics = {"flickr": {"hit_at_10": 0.75251, "queries": 5000}}
    folder = write_model(tmp_path / "m", *modules(), card=FACTS, precision="fp32", metrics=metrics)
    assert json.loads((folder / "metrics.json").read_text())["flickr"] == metrics["flickr"]
    card = (folder / "README.md").read_text()
    assert "| flickr, hit_at_10 | 0.7525 |" in card
    assert "| flickr, queries | 5,000 |" in card


def test_the_modules_stay_as_they_were(tmp_path: Path) -> None:
    image, text = modules()
    image.train()
    image.body[0].eval()
    text.half()
    write_model(tmp_path / "m", image, text, card=FACTS, precision="fp16")
    assert image.training
    assert not image.body[0].training
    assert text.head.weight.dtype == torch.float16


def test_a_model_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "m")
    write_model(folder, *modules(), card=FACTS, precision="fp32")
    assert bouba.load_model(folder).name == "tiny-towers"
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(TrainingError, match=r"holds notes\.txt"):
        write_model(folder, *modules(), card=FACTS, precision="fp32")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/thesis.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for target in ("other", "file"):
        with pytest.raises(TrainingError, match="not a model folder"):
            write_model(tmp_path / target, *modules(), card=FACTS, precision="fp32")
    assert {p.name for p in tmp_path.iterdir()} == {"m", "other", "file"}
    assert (tmp_path / "file").read_text() == (tmp_path / "other/thesis.txt").read_text() == "mine"


def test_an_old_model_survives_an_export_that_fails(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "m")
    before = bouba.load_model(folder).fingerprint
    with pytest.raises(TrainingError, match=r"text tower gives other vectors.*0\.99"):
        write_model(folder, TinyImage(), TinyText(reads_padding=True), card=FACTS, precision="fp32")
    assert bouba.load_model(folder).fingerprint == before
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_killed_export_leaves_no_half_model(tmp_path: Path) -> None:
    code = f"""
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tiny_towers import *
from bouba.training.export import ModelFacts, folder
folder.check_parity = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)  # everything but the card is written
facts = ModelFacts("n", "1", "CC0-1.0", DIM, SIZE, (0, 0, 0), (1, 1, 1), tokenizer_json(), MAX_TOKENS)
folder.write_model(Path(sys.argv[1]), TinyImage(), TinyText(), card=facts, precision="fp32")
"""
    run = subprocess.run([sys.executable, "-c", code, tmp_path / "m"], capture_output=True, timeout=120)
    assert run.returncode == -9, run.stderr
    assert not (tmp_path / "m").exists()
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".m.partial-")
    os.utime(left, (0, 0))
    write_model(tmp_path / "m", *modules(), card=FACTS, precision="fp32")
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_a_disk_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(onnx, "save", full)
    with pytest.raises(TrainingError, match="No space left"):
        write_model(tmp_path / "m", *modules(), card=FACTS, precision="fp32")
    assert list(tmp_path.iterdir()) == []


def test_int8_needs_pictures(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="3 given, at least 16"):
        write_model(tmp_path / "m", *modules(), card=FACTS, precision="int8", calibration=PIXELS[:3])
    with pytest.raises(TrainingError, match="'int4' is none of fp32"):
        write_model(tmp_path / "m", *modules(), card=FACTS, precision="int4")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_parity_names_the_tower_and_the_number(folders: dict[str, Path]) -> None:
    image, text = modules()
    with torch.no_grad():
        image.head.weight.copy_(image.head.weight.flip(0))
    reference = torch_reference(image, text, tokenizer_json())
    with pytest.raises(TrainingError, match=r"image tower gives other vectors.*mean cosine"):
        check_parity(reference, folders["fp32"], PIXELS, TEXTS)
    with pytest.raises(TrainingError, match="fits into 12 tokens"):
        check_parity(reference, folders["fp32"], PIXELS, ["word " * 40])
