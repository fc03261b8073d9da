"""Whole runs on tiny random networks: every way to train a tower, and every way in which a run may fail."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_model import COLOURS

import bouba
from bouba.errors import BoubaError, ModelMissing, TrainingError
from bouba.training import feed, judge
from bouba.training import run as runs
from bouba.training.config import Run, read_run
from bouba.training.labels import fit_label_transfer, interleaved, naming_texts
from bouba.training.learner import open_sides, tokeniser
from bouba.training.run import train, work_folder
from bouba.training.towers import ImageClassifier, open_dual, open_image_tower, open_text_tower
from bouba.training.towers.torchvision_ops import import_torchvision

import_torchvision()
open_clip = pytest.importorskip("open_clip")
timm = pytest.importorskip("timm")
transformers = pytest.importorskip("transformers")

SHADES = {"crimson": "red", "lime": "green", "navy": "blue", "gold": "yellow"}
WORDS = "[PAD] [UNK] [CLS] [SEP] a photo of the red green blue yellow crimson lime navy gold tench".split()
VIT = {"image_size": 32, "layers": 2, "width": 16, "head_width": 8, "patch_size": 16}
TEXT = {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2}


@dataclass(frozen=True)
class Names:
    """What `[model]` calls the networks."""

    image: str  # 160 pixels, 1,000 classes
    vit: str  # 32 pixels
    text: str
    dual: str


@pytest.fixture(scope="module")
def towers(tmp_path_factory: pytest.TempPathFactory) -> Names:
    folder = tmp_path_factory.mktemp("towers")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    torch.save(_random(timm.create_model("test_resnet"), 0.1).state_dict(), folder / "timm.pth")
    _save_text(folder / "text")
    _save_vit(folder / "vit")
    (folder / "tiny-run.json").write_text(json.dumps({"embed_dim": 12, "vision_cfg": VIT, "text_cfg": TEXT}))
    open_clip.add_model_config(folder / "tiny-run.json")
    torch.save(_random(open_clip.create_model("tiny-run"), 0.1).state_dict(), folder / "clip.pt")
    return Names(
        f"timm:test_resnet//{folder / 'timm.pth'}",
        f"hf:{folder / 'vit'}",
        f"hf:{folder / 'text'}",
        f"openclip:tiny-run//{folder / 'clip.pt'}",
    )


def _random(net: Any, spread: float) -> Any:
    for parameter in net.parameters():
        if parameter.ndim:  # not the temperature
            torch.nn.init.normal_(parameter, std=spread)
    return net


def _save_text(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    config = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    _random(transformers.AutoModel.from_config(config), 0.2).save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    specials = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep")}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 20, **specials}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def _save_vit(folder: Path) -> None:
    config = transformers.ViTConfig(
        image_size=32, patch_size=16, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24
    )
    _random(transformers.AutoModel.from_config(config), 0.2).save_pretrained(folder)
    settings = {
        "image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}, "resample": 2,
        "do_resize": True, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
        "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


def _draw(folder: Path, count: int) -> Path:
    """Noisy pictures of four colours with two captions each; every fifth is val."""
    rng = np.random.default_rng(0)
    lines = []
    for number in range(count):
        name, colour = list(SHADES.items())[number % 4]
        pixels = np.array(COLOURS[colour]) + rng.integers(-60, 60, (32, 32, 3))
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{number}.png")
        row = {"image": f"{number}.png", "captions": [f"A photo of the {name}", f"the {colour} {number}"]}
        lines.append(json.dumps(row | {"split": "val" if number % 5 == 0 else "train"}))
    (folder / "pairs.jsonl").write_text("\n".join(lines))
    return folder / "pairs.jsonl"


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return _draw(tmp_path, 40)


SETS = 'sets = [{ name = "own", path = "pairs.jsonl", split = "val", text_column = "captions" }]'


def _run(pairs: Path, model: str, out: str = "made", *, data: str = "", rest: str = "", **optimiser: object) -> Run:
    path = pairs.parent / f"{out}.toml"
    settings = {"steps": 4, "learning_rate": 0.01} | optimiser
    checks = "" if "[validation]" in rest else f"[validation]\nevery = 2\n{SETS}\n"
    path.write_text(
        f'name = "{out}"\nout = "{out}"\nthreads = 1\n'
        f'[[data]]\npath = "pairs.jsonl"\nsplit = "train"\nper_step = 8\ntexts = ["captions"]\n{data}\n'
        f"[model]\n{model}\n[optimiser]\n"
        + "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
        + f'[export]\nprecision = "fp32"\n{checks}{rest}\n'
    )
    return read_run(path)


def _states(run: Run, which: str = "network") -> dict[str, torch.Tensor]:
    content = torch.load(work_folder(run) / "checkpoint.pt", weights_only=True)
    states: dict[str, torch.Tensor] = content["states"][which]
    return states


def _changed(run: Run, start: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, tensor in _states(run).items() if not torch.equal(tensor, start[name])}


def _start(run: Run) -> dict[str, torch.Tensor]:
    """The state of the run's network before its first step."""
    torch.manual_seed(run.seed)
    work_folder(run).mkdir(exist_ok=True)
    return {name: tensor.clone() for name, tensor in open_sides(run, work_folder(run), 1).dual.state_dict().items()}


def _losses(run: Run) -> list[float]:
    lines = (work_folder(run) / "log.jsonl").read_text().splitlines()
    return [entry["loss"] for entry in map(json.loads, lines) if "loss" in entry]


# What can be trained


@pytest.mark.parametrize("loss", ['kind = "sigmoid"', "hardness = 0.3"])
def test_partly_frozen_picture_tower_and_live_text(pairs: Path, towers: Names, loss: str) -> None:
    model = (
        f'image = "{towers.image}"\ntext = "{towers.text}"\nimage_frozen = 3\ntext_frozen = 1\n'
        "dim = 16\nmatryoshka = [8]\nhidden = 16\n"
    )
    data = 'views = 3\naugment = "light"\nmirror = true\nkeywords = 0.3\nlower_case = 0.3\n'
    run = _run(pairs, model, data=data, rest=f"[loss]\n{loss}")
    start = _start(run)
    outcome = train(run)
    changed = _changed(run, start)
    assert {name.split(".")[0] for name in changed} >= {"image", "text", "log_scale"}
    assert any(name.startswith("image.tower.") for name in changed)
    assert not any(name.startswith("text.tower.stages.0.") for name in changed), "the first text stage was frozen"
    assert any(name.startswith("text.tower.stages.1.") for name in changed)
    assert (outcome.before, outcome.share) == ({}, 1.0)
    assert outcome.figures["own"].keys() >= {"text_to_image.mAP", "image_to_text.mAP"}
    assert bouba.load_model(outcome.folder).manifest.matryoshka == [8]


def test_frozen_towers_read_every_picture_once(pairs: Path, towers: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    run = _run(pairs, f'image = "{towers.vit}"\ntext = "{towers.text}"\ndim = 16\n', data="views = 2\nmirror = true")
    read: list[str] = []
    for module, name in ((feed, "decode_view"), (judge, "decode")):
        original = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda media, *a, _f=original, **k: (read.append(media.name), _f(media, *a, **k))[1]
        )
    train(run)
    assert len(read) == 32 * 2 + 8
    caches = {path: path.stat().st_mtime_ns for path in (work_folder(run) / "cache").iterdir()}
    read.clear()
    train(run, restart=True)
    assert read == []
    assert {path: path.stat().st_mtime_ns for path in (work_folder(run) / "cache").iterdir()} == caches
    Image.new("RGB", (32, 32), "white").save(pairs.parent / "1.png")  # a picture that has changed since
    train(run, restart=True)
    assert len(read) == 32 * 2


def test_a_run_begins_from_another_ones_best_weights(pairs: Path, towers: Names) -> None:
    model = f'image = "{towers.image}"\ntext = "{towers.text}"\ndim = 16\nhidden = 16\n'
    rates = {"image_learning_rate": 0.01, "text_learning_rate": 0.01}
    first = train(_run(pairs, f"{model}image_frozen = 3\ntext_frozen = 1\n", "towers", **rates))
    heads = f'{model}start = "towers.run"\n'
    second = train(_run(pairs, heads, "heads", learning_rate=0.0))  # everything frozen, and heads that stand still
    old, new = (bouba.load_model(outcome.folder) for outcome in (first, second))
    np.testing.assert_allclose(new.encode_text(["a red photo"]), old.encode_text(["a red photo"]), atol=1e-4)
    pixels = [_pixels(pairs.parent / "0.png", old.manifest.image.size)]
    np.testing.assert_allclose(new.encode_pixels(pixels), old.encode_pixels(pixels), atol=1e-4)
    with pytest.raises(TrainingError, match="other towers or heads"):
        train(_run(pairs, heads.replace("hidden = 16", "hidden = 8"), "others"))
    with pytest.raises(TrainingError, match=r"nowhere.*is not there"):
        train(_run(pairs, heads.replace("towers.run", "nowhere"), "lost"))


def test_a_dual_encoder_is_tuned_in_its_own_space(pairs: Path, towers: Names) -> None:
    model = f'dual = "{towers.dual}"\nhead = "none"\nimage_frozen = 0\ntext_frozen = 0\n'
    run = _run(pairs, model, image_learning_rate=0.01, text_learning_rate=0.01)
    start = _start(run)
    assert start["log_scale"].item() == pytest.approx(open_dual(towers.dual)[2])
    outcome = train(run)
    assert len(_changed(run, start)) > 20
    metric = run.validation.metric
    assert outcome.figures["own"][metric] >= outcome.before["own"][metric]
    assert outcome.share in np.arange(11) / 10
    with bouba.open(pairs.parent / "gallery", outcome.folder) as gallery:
        gallery.add(pairs.parent.glob("*.png"))
        assert len(gallery.search("the red 2", k=3).hits) == 3


def test_with_general_sets_that_may_lose_nothing_the_guard_stays_at_the_start(pairs: Path, towers: Names) -> None:
    model = f'dual = "{towers.dual}"\nhead = "none"\nimage_frozen = 0\ntext_frozen = 0\n'
    general = SETS.replace("sets", "general").replace("own", "old")
    rest = f"[validation]\nevery = 4\n{SETS}\n{general}\nmax_loss = 0.0\n"
    run = _run(pairs, model, rest=rest, image_learning_rate=0.01, text_learning_rate=0.01)
    outcome = train(run)
    metric = run.validation.metric
    assert outcome.figures["old"][metric] >= outcome.before["old"][metric]


LABELS = "dim = 24\nhead = 'linear'\ndropout = 0.0\n"


def test_labels_are_a_block_of_the_vector(pairs: Path, towers: Names) -> None:
    model = f'image = "{towers.image}"\ntext = "{towers.text}"\nmatryoshka = [12]\n{LABELS}'
    run = _run(pairs, model, rest="[labels]\ndim = 8\nweight = 0.5\n")
    folder = train(run).folder
    exported = bouba.load_model(folder)
    image, text = open_image_tower(towers.image), open_text_tower(towers.text)
    assert isinstance(image, ImageClassifier)
    pixels = np.stack([_pixels(pairs.parent / f"{number}.png", image.size) for number in (1, 2, 3)])
    vectors, words = exported.encode_pixels(list(pixels)), exported.encode_text(["crimson", "the lime 1"])
    order = interleaved(16, 8).numpy()
    whole = {kind: rows[:, np.argsort(order)] for kind, rows in (("image", vectors), ("text", words))}
    for rows in whole.values():
        np.testing.assert_allclose(np.linalg.norm(rows[:, :16], axis=1), 1 / np.sqrt(1.25), atol=1e-4)
        np.testing.assert_allclose(np.linalg.norm(rows[:, 16:], axis=1), 0.5 / np.sqrt(1.25), atol=1e-4)
    tokenise = tokeniser(text)

    def encode(texts: Any) -> Any:
        with torch.no_grad():
            return text(*tokenise(texts)).numpy()

    rows = [json.loads(line) for line in pairs.read_text().splitlines()]
    captions = list(dict.fromkeys(c for row in rows if row["split"] == "train" for c in row["captions"]))
    transfer = fit_label_transfer(naming_texts(image.class_names), encode, encode(captions), 8)
    with torch.no_grad():
        odds = image.classify(image(torch.from_numpy(pixels))).softmax(-1).numpy()
    said = odds @ transfer.classes
    said /= np.linalg.norm(said, axis=1, keepdims=True)
    # Directions of equal weight may come in another order or sign: cosines do not depend on them.
    meant = (encode(["crimson", "the lime 1"]) - transfer.mean) @ transfer.projection
    meant /= np.linalg.norm(meant, axis=1, keepdims=True)
    cosines = whole["image"][:, 16:] @ whole["text"][:, 16:].T * 1.25 / 0.25
    np.testing.assert_allclose(cosines, said @ meant.T, atol=0.02)
    assert exported.manifest.matryoshka == [12]


def _pixels(path: Path, size: int) -> np.ndarray:
    from bouba.encoders.model import fit_picture

    return fit_picture(Image.open(path).convert("RGB"), size, "crop", "bicubic")


def test_distillation_holds_the_classes_and_warming_heads_moves_none(pairs: Path, towers: Names) -> None:
    model = f'image = "{towers.image}"\ntext = "{towers.text}"\nimage_frozen = 4\n{LABELS}'
    far = {}
    for distillation in (0.0, 30.0):
        run = _run(
            pairs, model, f"d{distillation:.0f}", rest=f"[labels]\ndim = 8\ndistillation = {distillation}\n",
            image_learning_rate=0.003, warmup=0.0,
        )  # fmt: skip
        train(run)
        far[distillation] = _divergence(run, pairs)
    assert far[30.0] < 0.5 * far[0.0]
    still = _run(pairs, model, "still", rest="[labels]\ndim = 8\n", head_warmup=4)
    start = _start(still)
    train(still)
    assert {name.split(".")[1] for name in _changed(still, start) if "." in name} == {"head"}


def _divergence(run: Run, pairs: Path) -> float:
    sides = open_sides(run, work_folder(run), 1)
    assert isinstance(sides.image_tower, ImageClassifier)
    assert sides.dual.classifier is not None
    pixels = np.stack([_pixels(pairs.parent / f"{number}.png", sides.look.size) for number in range(8)])
    logits = []
    for _ in range(2):
        with torch.no_grad():
            features = sides.image_tower(torch.from_numpy(pixels))
            logits.append(sides.dual.classifier(features).log_softmax(-1))
        sides.dual.load_state_dict(_states(run))
    return float(torch.nn.functional.kl_div(logits[1], logits[0], reduction="batchmean", log_target=True))


def test_shuffled_captions_are_trusted_less(tmp_path: Path, towers: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs, wrong = _draw_mixtures(tmp_path, 200)
    seen: list[np.ndarray] = []
    estimate = runs.estimate_trust
    monkeypatch.setattr(runs, "estimate_trust", lambda *a, **k: seen.append(estimate(*a, **k)) or seen[-1])
    rest = '[noise]\nmethod = "weights"\n'
    train(_run(pairs, f'image = "{towers.vit}"\ntext = "{towers.text}"\ndim = 16\n', rest=rest))
    (trust,) = seen
    assert trust[wrong].mean() < trust[~wrong].mean() - 0.2


def _draw_mixtures(folder: Path, count: int) -> tuple[Path, np.ndarray]:
    """Pictures of mixed colours, all with captions of their own; which of those of train are another's."""
    rng = np.random.default_rng(0)
    captions = [" ".join(rng.choice(list(SHADES.values()), 5)) for _ in range(count)]
    wrong = np.array([number % 4 == 1 and number % 5 > 0 for number in range(count)])
    said = np.array(captions, object)
    said[wrong] = np.roll(said[wrong], 1)
    lines = []
    for number, caption in enumerate(captions):
        colour = np.mean([COLOURS[word] for word in caption.split()], axis=0)
        pixels = np.clip(colour + rng.integers(-40, 40, (32, 32, 3)), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
        row = {"image": f"{number}.png", "captions": [said[number]], "split": "train" if number % 5 else "val"}
        lines.append(json.dumps(row))
    (folder / "pairs.jsonl").write_text("\n".join(lines))
    return folder / "pairs.jsonl", wrong[np.arange(count) % 5 > 0]


# How it is trained


def test_a_run_without_gains_stops_early(pairs: Path, towers: Names) -> None:
    rest = f"[validation]\nevery = 1\npatience = 2\n{SETS}\n"
    run = _run(pairs, f'image = "{towers.vit}"\ntext = "{towers.text}"\ndim = 16\n', rest=rest, learning_rate=0.0)
    outcome = train(run)
    assert outcome.step == 1
    assert len(_losses(run)) == 3
    assert train(run).step == 1
    assert len(_losses(run)) == 3, "a run that has stopped does not go on"


LIVE = "image_frozen = 0\ntext_frozen = 0\ndim = 16\ndropout = 0.0\n"


@pytest.mark.parametrize("change", [{"micro_batch": 3}, {"checkpointing": True}])
def test_what_saves_memory_changes_no_weight(pairs: Path, towers: Names, change: dict[str, int]) -> None:
    model = f'image = "{towers.vit}"\ntext = "{towers.text}"\n{LIVE}'
    plain, other = _run(pairs, model, "plain"), _run(pairs, model, "other", **change)
    train(plain)
    train(other)
    first, later = np.split(np.array([_losses(other), _losses(plain)]), [1], axis=1)
    np.testing.assert_allclose(*first, rtol=1e-5)
    np.testing.assert_allclose(*later, rtol=1e-4)  # Adam divides by tiny gradients: a processor's rounding grows
    before, after = _states(plain), _states(other)
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, atol=1e-4, rtol=1e-3)


def test_stopped_and_resumed_it_has_the_same_weights(pairs: Path, towers: Names) -> None:
    model = f'image = "{towers.vit}"\ntext = "{towers.text}"\n{LIVE.replace("dropout = 0.0", "dropout = 0.3")}'
    data = 'augment = "light"\nkeywords = 0.5'
    whole, stopped = (_run(pairs, model, name, data=data, head_warmup=2) for name in ("whole", "stopped"))
    train(whole)

    def advance(what: str, done: int, total: int) -> None:
        if (what, done) == ("steps", 3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(stopped, advance=advance)
    assert not stopped.out.exists()
    looked: list[str] = []
    train(stopped, advance=lambda what, done, total: looked.append(what))
    assert "looking at pictures" not in looked, "they were looked at before"
    for which in ("network", "best"):
        one, other = _states(whole, which), _states(stopped, which)
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert _losses(stopped) == _losses(whole)


def test_changed_pairs_are_another_run(pairs: Path, tiny_model_folder: Path) -> None:
    run = _run(pairs, f'base = "{tiny_model_folder}"\n')
    train(run)
    pairs.write_text(pairs.read_text().replace("the green 1", "the green one"))
    with pytest.raises(TrainingError, match=r"other pairs.*--restart"):
        train(run)
    train(run, restart=True)


# What may be wrong with the pictures


def test_training_pictures_that_are_judged_by_can_be_left_out(pairs: Path, tiny_model_folder: Path) -> None:
    rows = [json.loads(line) for line in pairs.read_text().splitlines()]
    (pairs.parent / "copy.png").write_bytes((pairs.parent / "0.png").read_bytes())
    rows.append({"image": "copy.png", "captions": ["red"], "split": "train"})
    pairs.write_text("\n".join(map(json.dumps, rows)))
    told: list[str] = []
    rest = f'[validation]\nevery = 4\nleaks = "drop"\n{SETS}\n'
    folder = train(_run(pairs, f'base = "{tiny_model_folder}"\n', rest=rest), note=told.append).folder
    assert any("copy.png" in line and "left out" in line for line in told)
    assert bouba.load_model(folder).manifest.trained_on[-1]["rows"] == 32


@pytest.mark.parametrize("live", [False, True])
def test_a_broken_picture_is_left_out_and_named(tmp_path: Path, towers: Names, live: bool) -> None:
    pairs = _draw(tmp_path, 130)  # 104 of them to train on
    whole = (tmp_path / "7.png").read_bytes()
    (tmp_path / "7.png").write_bytes(whole[: len(whole) // 2])
    told: list[str] = []
    model = f'image = "{towers.vit}"\ntext = "{towers.text}"\nimage_frozen = {0 if live else -1}\ndim = 16\n'
    train(_run(pairs, model), note=told.append)
    assert len([line for line in told if "7.png" in line and "1 of 104" in line]) == 1
    (tmp_path / "8.png").write_bytes(b"")
    with pytest.raises(TrainingError, match=r"2 of 104.*7\.png.*8\.png"):
        train(_run(pairs, model), restart=True)
    (tmp_path / "8.png").write_bytes(whole)
    (tmp_path / "5.png").write_bytes(whole[:99])
    with pytest.raises(TrainingError, match=r"to judge by.*5\.png"):
        train(_run(pairs, model), restart=True)


def test_a_held_out_picture_may_be_broken_too(tmp_path: Path, tiny_model_folder: Path) -> None:
    pairs = _draw(tmp_path, 130)
    run = _run(pairs, f'base = "{tiny_model_folder}"\n', rest="[validation]\nheld_out = 0.8\n")
    for number in range(130):
        if number % 5:  # of the train split: one that is held out
            (tmp_path / f"{number}.png").write_bytes(b"no picture")
            break
    told: list[str] = []
    assert set(train(run, note=told.append).figures) == {"held out"}
    assert any("1 of 104" in line and "1.png" in line for line in told)


# What may be wrong with the machine


@contextmanager
def _full_disk(room: int) -> Iterator[None]:
    """No file grows beyond `room` bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize(("room", "file"), [(2000, r"cache/\w+\.npy"), (20_000, r"checkpoint\.pt")])
def test_a_full_disk_is_told_with_the_file(pairs: Path, tiny_model_folder: Path, room: int, file: str) -> None:
    run = _run(pairs, f'base = "{tiny_model_folder}"\nhidden = 64\n')
    with _full_disk(room), pytest.raises(TrainingError, match=f"{file} cannot be written"):
        train(run)
    assert not list(work_folder(run).rglob("*.part"))
    assert train(run).folder.is_dir()


def test_features_that_will_not_fit_are_refused_at_once(
    pairs: Path, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil_usage(200 << 20)
    monkeypatch.setattr("bouba.training.features.shutil.disk_usage", lambda folder: usage)
    monkeypatch.setattr("bouba.training.features.math.prod", lambda shape: 1 << 40)
    with pytest.raises(TrainingError, match="GB"):
        train(_run(pairs, f'base = "{tiny_model_folder}"\n'))


def shutil_usage(free: int) -> Any:
    from collections import namedtuple

    return namedtuple("usage", "total used free")(free, 0, free)


def test_a_place_that_cannot_be_taken_is_refused_before_any_work(pairs: Path, tiny_model_folder: Path) -> None:
    base = f'base = "{tiny_model_folder}"\n'
    (pairs.parent / "thesis").mkdir()
    (pairs.parent / "thesis" / "chapter.txt").write_text("kept")
    with pytest.raises(TrainingError, match="thesis is there"):
        train(_run(pairs, base, "thesis"))
    assert not (pairs.parent / "thesis.run").exists()
    run = _run(pairs, base)
    below_a_file = pairs.parent / "made.toml" / "model"
    with pytest.raises(TrainingError, match="cannot be made"):
        train(type(run)(**{f: getattr(run, f) for f in run.__struct_fields__} | {"out": below_a_file}))


def test_networks_are_opened_before_any_pair(tmp_path: Path, towers: Names) -> None:
    nowhere = tmp_path / "pairs.jsonl"
    for model, error in (
        (f'image = "resnet5000"\ntext = "{towers.text}"\n', "is no tower"),
        ('base = "no-such-model"\n', "no-such-model"),
        (f'image = "{towers.vit}"\ntext = "{towers.text}"\n{LABELS}[labels]\ndim = 8\n', "has none"),
        (f'image = "{towers.image}"\ntext = "{towers.text}"\ndim = 64\n[labels]\ndim = 33\n', "only 32 numbers"),
        (f'dual = "{towers.dual}"\nhead = "none"\n', "nothing is trained"),
        (f'dual = "{towers.dual}"\nmatryoshka = [12]\n', "have 12 numbers"),
    ):
        with pytest.raises((TrainingError, ModelMissing), match=error):
            train(_run(nowhere, model))


def test_without_torch_the_command_says_how_to_get_it(pairs: Path, tiny_model_folder: Path) -> None:
    _run(pairs, f'base = "{tiny_model_folder}"\n')
    code = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['bouba', 'train', 'made.toml']\n"
        "from bouba.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=pairs.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "torch is not installed: pip install 'bouba[train]'" in done.stderr


def test_numbers_that_are_none_end_the_run_with_advice(pairs: Path, towers: Names) -> None:
    model = f'image = "{towers.vit}"\ntext = "{towers.text}"\n{LIVE}'
    run = _run(pairs, model, image_learning_rate=1e36, clip_norm=1e36)
    with pytest.raises(BoubaError, match="learning rates"):
        train(run)
