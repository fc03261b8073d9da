"""Dual encoders of other libraries, pulled into model folders and used: randomly initialised, from local files."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

import bouba  # noqa: E402
from bouba.cli import commands  # noqa: E402
from bouba.encoders.model import models_folder  # noqa: E402
from bouba.errors import ModelMissing, TrainingError  # noqa: E402
from bouba.training.export import Reference, torch_reference  # noqa: E402
from bouba.training.export.probes import TEXTS, drawn_pictures  # noqa: E402
from bouba.training.hub import pull, short_name  # noqa: E402
from bouba.training.towers import open_dual  # noqa: E402
from bouba.training.towers.torchvision_ops import import_torchvision  # noqa: E402

import_torchvision()
open_clip = pytest.importorskip("open_clip")
transformers = pytest.importorskip("transformers")

SIZE, DIM = 32, 48
CONFIG = {
    "embed_dim": DIM,
    "vision_cfg": {"image_size": SIZE, "layers": 2, "width": 32, "head_width": 8, "patch_size": 8},
    "text_cfg": {"context_length": 20, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


@pytest.fixture(autouse=True)
def models_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    if sys.platform != "linux":
        monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "data/bouba")


@pytest.fixture(scope="module")
def clip_name(tmp_path_factory: pytest.TempPathFactory) -> str:
    """ "openclip:ARCH//FILE" of a small CLIP with random weights that tell inputs apart."""
    folder = tmp_path_factory.mktemp("clip")
    (folder / "tiny-clip-for-hub.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(folder / "tiny-clip-for-hub.json")
    torch.manual_seed(0)
    model = open_clip.create_model("tiny-clip-for-hub").eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    torch.save(model.state_dict(), folder / "weights.pt")
    return f"openclip:tiny-clip-for-hub//{folder / 'weights.pt'}"


@pytest.fixture(scope="module")
def licensed(clip_name: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """The same model as a local hub repository whose card states a licence."""
    weights = clip_name.partition("//")[2]

    def with_licence(licence: str) -> str:
        folder = tmp_path_factory.mktemp("repository") / "small-clip"
        folder.mkdir()
        (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": {}}))
        torch.save(torch.load(weights), folder / "open_clip_pytorch_model.bin")
        (folder / "README.md").write_text(f"---\nlicense: {licence}\n---\n# a model\n")
        return f"openclip:local-dir:{folder}"

    return with_licence


def assert_like_pytorch(folder: Path, name: str, least: float = 0.999) -> None:
    """Cosines about the mean, one input at a time: random towers give vectors that look alike."""
    image, text, _ = open_dual(name)
    model = bouba.load_model(folder)
    pixels = drawn_pictures(12, image.size, seed=9)
    with torch.no_grad():
        images = torch.cat([image(torch.from_numpy(p)[None]) for p in pixels]).numpy()
        ids = [torch.tensor([model._tokenizer.encode(words).ids]) for words in TEXTS]
        texts = torch.cat([text(row, torch.ones_like(row)) for row in ids]).numpy()
    for wanted, found in ((images, model.encode_pixels(pixels)), (texts, model.encode_text(TEXTS))):
        wanted = wanted / np.linalg.norm(wanted, axis=1, keepdims=True)
        assert np.linalg.norm(wanted - wanted.mean(0), axis=1).min() > 1e-3
        one, other = wanted - wanted.mean(0), found - wanted.mean(0)
        assert ((one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)).min() > least


def test_a_pulled_openclip_model_in_a_gallery(clip_name: str, tmp_path: Path, paint: Callable[..., Path]) -> None:
    said: list[str] = []
    folder = pull(clip_name, accept_licence=True, say=said.append)
    assert folder == models_folder() / "tiny-clip-for-hub-weights"
    assert "licence unknown" in said[0]
    assert_like_pytorch(folder, clip_name)
    model = bouba.load_model("tiny-clip-for-hub-weights")
    assert (model.folder, model.dim, model.manifest.licence) == (folder.resolve(), DIM, "unknown")
    photos = [paint(colour) for colour in ("red", "green", "blue")]
    with bouba.open(tmp_path / "gallery", folder) as gallery:
        assert gallery.add(photos).added == 3
    with bouba.open(tmp_path / "gallery") as again:
        hit = again.search(image=photos[1], k=1)[0]
        assert (Path(hit.path).name, round(hit.score, 4)) == ("green0.png", 1.0)
        assert len(again.search("a green picture", k=3)) == 3


def test_a_smaller_precision(clip_name: str, tmp_path: Path) -> None:
    folder = pull(clip_name, tmp_path / "m", precision="int8-weights", accept_licence=True)
    assert_like_pytorch(folder, clip_name, 0.95)
    assert (folder / "text.onnx").stat().st_size < 3_000_000  # 49,408 rows of 32 numbers


def test_a_free_licence_needs_no_word(licensed: Callable[[str], str], tmp_path: Path) -> None:
    folder = pull(licensed("mit"), tmp_path / "m")
    assert bouba.load_model(folder).manifest.licence == "mit"
    card = (folder / "README.md").read_text()
    assert "license: mit" in card
    assert "Licence of this folder: mit" in card


@pytest.mark.parametrize("licence", ["cc-by-nc-4.0", "apple-amlr", "unknown"])
def test_other_licences_are_named_before_weights_are_read(
    licence: str, licensed: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = licensed(licence)
    monkeypatch.setattr("bouba.training.towers.open_dual", lambda *_: pytest.fail("weights were read"))
    with pytest.raises(TrainingError, match=f"{'no known licence' if licence == 'unknown' else licence}.*--accept-lic"):
        pull(name, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_transformers_model(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    source = tmp_path / "siglip"
    text = {"vocab_size": 60, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 2, "max_position_embeddings": 12, "projection_size": 32,
            "bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 1}  # fmt: skip
    vision = {**{k: text[k] for k in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")},
              "image_size": SIZE, "patch_size": 8}  # fmt: skip
    torch.manual_seed(0)
    model = transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=vision)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(source)
    transformers.SiglipImageProcessor(size={"height": SIZE, "width": SIZE}).save_pretrained(source)
    words = dict.fromkeys(["[UNK]", "[PAD]", *" ".join(TEXTS).replace(",", " ").split()])
    tokenizer = Tokenizer(models.WordLevel({w: n for n, w in enumerate(list(words)[:60])}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", model_max_length=12
    ).save_pretrained(source)
    folder = pull(f"hf:{source}", accept_licence=True)
    assert folder.name == "siglip"
    assert_like_pytorch(folder, f"hf:{source}")


def test_nothing_is_left_of_a_conversion_that_fails(
    clip_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_texts(image: torch.nn.Module, text: torch.nn.Module, tokenizer: str) -> Reference:
        true = torch_reference(image, text, tokenizer)
        return Reference(true.image, lambda texts: true.text(texts)[:, ::-1])

    monkeypatch.setattr("bouba.training.export.folder.torch_reference", other_texts)
    with pytest.raises(TrainingError, match="text tower gives other vectors"):
        pull(clip_name, tmp_path / "m", accept_licence=True)
    assert not list(tmp_path.glob("*m*"))


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("ViT-B-32", TrainingError, "openclip:ARCH/TAG"),
        ("timm:resnet18", TrainingError, "openclip:ARCH/TAG"),
        ("openclip:ViT-B-32", TrainingError, "laion2b"),
        ("openclip:ViT-B-32//no/such/file.pt", ModelMissing, "not a file"),
    ],
)
def test_names_that_cannot_be_pulled(name: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        pull(name, accept_licence=True)


def test_int8_is_refused(clip_name: str) -> None:
    with pytest.raises(TrainingError, match="Use int8-weights"):
        pull(clip_name, precision="int8")


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("openclip:ViT-B-32/laion2b_s34b_b79k", "ViT-B-32-laion2b_s34b_b79k"),
        ("openclip:hf-hub:timm/ViT-B-16-SigLIP", "timm-ViT-B-16-SigLIP"),
        ("openclip:RN50//some/where/best.pt", "RN50-best"),
        ("hf:google/siglip-base-patch16-224", "google-siglip-base-patch16-224"),
    ],
)
def test_short_names(name: str, short: str) -> None:
    assert short_name(name) == short


def test_the_command(clip_name: str, tmp_path: Path, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*arguments: str):
        return CliRunner().invoke(commands, ["models", *arguments])

    assert isinstance(run("pull", clip_name).exception, TrainingError)
    told = run("pull", clip_name, "--accept-licence", "--precision", "fp16").stdout
    assert "Use it: bouba add ~/Pictures --model tiny-clip-for-hub-weights" in told
    assert run("show", "tiny-clip-for-hub-weights").stdout == run("tiny-clip-for-hub-weights").stdout != run().stdout
    assert json.loads(run("tiny-clip-for-hub-weights", "--json").stdout)["models"][0]["dim"] == DIM
    assert "pull NAME" in run("--help").stdout
    monkeypatch.setattr("bouba.training.hub.pull", lambda *_, **__: tiny_model_folder)
    assert json.loads(run("pull", "hf:any/name", "--json").stdout)["name"] == "tiny"
    assert f"--model {tiny_model_folder}" in run("pull", "hf:any/name", "--out", str(tiny_model_folder)).stdout


def test_without_torch_the_command_says_what_to_install() -> None:
    code = "import sys; sys.modules['torch'] = None; from bouba.cli import main; main()"
    run = subprocess.run(
        [sys.executable, "-c", code, "models", "pull", "openclip:RN50/openai"], capture_output=True, text=True
    )
    assert run.returncode == 1
    assert "torch is not installed: pip install 'bouba[train]'" in run.stderr


def test_a_folder_comes_before_a_pulled_name(tmp_path: Path, tiny_model_folder: Path, monkeypatch) -> None:
    shutil.copytree(tiny_model_folder, models_folder() / "mine")
    assert bouba.load_model("mine").folder == (models_folder() / "mine").resolve()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    with pytest.raises(ModelMissing, match=str(tmp_path / "mine")):
        bouba.load_model("mine")
    with pytest.raises(ModelMissing):
        bouba.load_model("./yours")
