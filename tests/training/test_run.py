from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from PIL import Image
from tiny_model import COLOURS, write_tiny_model

import bouba
from bouba.errors import ManifestError, TrainingError
from bouba.training.config import Run, read_run
from bouba.training.run import Outcome, train, work_folder

SHADES = {"crimson": "red", "lime": "green", "navy": "blue", "gold": "yellow"}  # words that the tiny model lacks


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """40 pictures of four colours, each with two captions; every fifth is val."""
    rng = np.random.default_rng(0)
    lines = []
    for number in range(40):
        name, colour = list(SHADES.items())[number % 4]
        noise = rng.integers(-60, 60, (32, 32, 3))
        path = tmp_path / f"{number}.png"
        Image.fromarray(np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8)).save(path)
        row = {"image": path.name, "captions": [colour, f"{colour} {colour}"], "label": name}
        lines.append(json.dumps(row | {"split": "val" if number % 5 == 0 else "train"}))
    (tmp_path / "pairs.jsonl").write_text("\n".join(lines))
    return tmp_path / "pairs.jsonl"


def _run(pairs: Path, base: Path, out: str = "made", **more: str) -> Run:
    parts = {"optimiser": "steps = 12\nlearning_rate = 0.01", "model": f'base = "{base}"\nhead = "linear"'} | more
    path = pairs.parent / f"{out}.toml"
    path.write_text(
        f'name = "{out}"\nout = "{out}"\nthreads = 1\n'
        f'[[data]]\npath = "{pairs.name}"\nsplit = "train"\nper_step = 8\ntexts = ["captions"]\n'
        "[validation]\nevery = 4\n"
        f'sets = [{{ name = "own", path = "{pairs.name}", split = "val", text_column = "captions" }}]\n'
        + "".join(f"[{name}]\n{text}\n" for name, text in parts.items())
    )
    return read_run(path)


def _weights(folder: Path) -> list[np.ndarray]:
    graph = onnx.load(folder / "image.onnx").graph
    return [numpy_helper.to_array(weight) for weight in graph.initializer]


def test_adapting_a_folder_gives_a_folder_that_a_gallery_takes(pairs: Path, tiny_model_folder: Path) -> None:
    outcome = train(_run(pairs, tiny_model_folder))
    assert isinstance(outcome, Outcome)
    assert outcome.figures["own"]["text_to_image.mAP"] >= outcome.before["own"]["text_to_image.mAP"]
    with bouba.open(pairs.parent / "gallery", outcome.folder) as gallery:
        gallery.add(pairs.parent.glob("*.png"))
        assert len(gallery) == 40
        assert gallery.search("red", k=1).hits
    work = work_folder(_run(pairs, tiny_model_folder))
    steps = [json.loads(line) for line in (work / "log.jsonl").read_text().splitlines()]
    assert [s["step"] for s in steps if "loss" in s] == list(range(1, 13))
    assert [s["step"] for s in steps if "figures" in s] == [4, 8, 12]
    assert Image.open(work / "curves.png").size == (1000, 400)


def test_the_same_run_gives_the_same_model(pairs: Path, tiny_model_folder: Path) -> None:
    first, second = (train(_run(pairs, tiny_model_folder, out)).folder for out in ("one", "two"))
    for a, b in zip(_weights(first), _weights(second), strict=True):
        np.testing.assert_array_equal(a, b)


def test_killed_and_resumed_it_gives_the_same_weights(pairs: Path, tiny_model_folder: Path) -> None:
    steps = {"optimiser": "steps = 400\nlearning_rate = 0.01", "model": f'base = "{tiny_model_folder}"\nhidden = 64'}
    whole = train(_run(pairs, tiny_model_folder, "whole", **steps))
    run = _run(pairs, tiny_model_folder, "killed", **steps)
    command = [sys.executable, "-m", "bouba", "train", str(pairs.parent / "killed.toml")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    checkpoint = work_folder(run) / "checkpoint.pt"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not run.out.exists(), "it was finished before it could be killed"
    reached = torch.load(checkpoint, weights_only=True)["step"]
    assert 0 < reached < 400
    resumed = train(run)
    assert resumed.step == whole.step
    for a, b in zip(_weights(whole.folder), _weights(resumed.folder), strict=True):
        np.testing.assert_array_equal(a, b)
    logged = [json.loads(line)["step"] for line in (work_folder(run) / "log.jsonl").read_text().splitlines()]
    assert sorted(set(logged)) == list(range(1, 401))


def test_other_settings_do_not_go_on_from_an_old_checkpoint(pairs: Path, tiny_model_folder: Path) -> None:
    train(_run(pairs, tiny_model_folder))
    other = _run(pairs, tiny_model_folder, optimiser="steps = 12\nlearning_rate = 0.02")
    with pytest.raises(TrainingError, match="--restart"):
        train(other)
    assert train(other, restart=True).folder.is_dir()


def test_a_damaged_checkpoint_says_what_to_do(pairs: Path, tiny_model_folder: Path) -> None:
    run = _run(pairs, tiny_model_folder)
    train(run)
    (work_folder(run) / "checkpoint.pt").write_bytes(b"PK\x03\x04 not a checkpoint")
    with pytest.raises(TrainingError, match="--restart"):
        train(run)


def test_a_picture_on_both_sides_is_refused(pairs: Path, tiny_model_folder: Path) -> None:
    rows = [json.loads(line) for line in pairs.read_text().splitlines()]
    (pairs.parent / "copy.png").write_bytes((pairs.parent / rows[0]["image"]).read_bytes())
    rows.append({"image": "copy.png", "captions": ["red"], "label": "red", "split": "train"})
    pairs.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(TrainingError, match=r"copy\.png"):
        train(_run(pairs, tiny_model_folder))


def test_a_share_is_held_out_where_no_set_is_named(pairs: Path, tiny_model_folder: Path) -> None:
    run = _run(pairs, tiny_model_folder)
    path = pairs.parent / "made.toml"
    rest = f'[validation]\nheld_out = 0.3\n[model]\nbase = "{tiny_model_folder}"\n[optimiser]\nsteps = 4\n'
    path.write_text(path.read_text().split("[validation]")[0] + rest)
    assert set(train(read_run(path)).figures) == {"held out"}
    assert run.out.is_dir()


def test_an_unknown_metric_or_column_is_refused_before_any_work(pairs: Path, tiny_model_folder: Path) -> None:
    run = _run(pairs, tiny_model_folder)
    path = pairs.parent / "made.toml"
    good = path.read_text()
    path.write_text(good.replace("every = 4", 'every = 4\nmetric = "text_to_image.luck"'))
    with pytest.raises(TrainingError, match="luck"):
        train(read_run(path))
    path.write_text(good.replace('texts = ["captions"]', 'texts = ["subtitle"]'))
    with pytest.raises(ManifestError, match="subtitle"):
        train(read_run(path))
    assert not run.out.exists()


def test_a_run_that_blows_up_says_so(pairs: Path, tiny_model_folder: Path) -> None:
    with pytest.raises(TrainingError, match="learning rates"):
        train(_run(pairs, tiny_model_folder, optimiser="steps = 40\nlearning_rate = 1e30\nclip_norm = 1e30"))


def test_a_base_with_other_vectors_gives_another_model(pairs: Path, tmp_path: Path, tiny_model_folder: Path) -> None:
    other = write_tiny_model(tmp_path / "other", bias=90.0)
    first = bouba.load_model(train(_run(pairs, tiny_model_folder)).folder)
    second = bouba.load_model(train(_run(pairs, other, "second")).folder)
    assert first.fingerprint != second.fingerprint


def _losses(run: Run) -> list[float]:
    lines = (work_folder(run) / "log.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines if "loss" in line]


def test_two_processes_train_as_one_with_the_same_batch(pairs: Path, tiny_model_folder: Path) -> None:
    model = {"model": f'base = "{tiny_model_folder}"\nhidden = 16\ndropout = 0.0'}
    alone = _run(pairs, tiny_model_folder, "alone", **model)
    both = _run(pairs, tiny_model_folder, "both", **model)
    train(alone)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launcher, "-m", "bouba", "train", str(pairs.parent / "both.toml")]
    subprocess.run(command, check=True, capture_output=True, timeout=200)
    np.testing.assert_allclose(_losses(both), _losses(alone), atol=1e-5)
    for a, b in zip(_weights(alone.out), _weights(both.out), strict=True):
        np.testing.assert_allclose(a.astype(np.float32), b.astype(np.float32), atol=1)  # int8 weights: one step


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_gradient_caching_trains_as_the_whole_batch(pairs: Path, tiny_model_folder: Path, dropout: float) -> None:
    model = {"model": f'base = "{tiny_model_folder}"\nhidden = 16\ndropout = {dropout}'}
    steps = "steps = 40\nlearning_rate = 0.01"
    whole = _run(pairs, tiny_model_folder, "whole", optimiser=steps, **model)
    chunked = _run(pairs, tiny_model_folder, "chunked", optimiser=f"{steps}\nmicro_batch = 3", **model)
    train(whole)
    train(chunked)
    if dropout == 0.0:
        np.testing.assert_allclose(_losses(chunked), _losses(whole), atol=1e-5)
    else:  # other dice for every chunk, and still the same run but for them
        assert _losses(chunked) != _losses(whole)
        np.testing.assert_allclose(_losses(chunked), _losses(whole), atol=0.4)
        assert np.corrcoef(_losses(chunked), _losses(whole))[0, 1] > 0.9
