from __future__ import annotations

import json

import pytest
import torch

from bouba.errors import ModelMissing, TrainingError
from bouba.training.towers import open_dual, open_image_tower, open_text_tower
from bouba.training.towers.open_clip_towers import Name
from bouba.training.towers.torchvision_ops import import_torchvision

import_torchvision()
open_clip = pytest.importorskip("open_clip")

END, CONTEXT = 49407, 12
VIT = {"image_size": 32, "layers": 2, "width": 16, "head_width": 8, "patch_size": 16}
TEXT = {"context_length": CONTEXT, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2}
CONFIGS = {
    "clip": {"vision_cfg": VIT, "text_cfg": TEXT},
    "resnet": {
        "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 16},
        "text_cfg": TEXT,
    },
    "mobile": {  # MobileCLIP: a network of timm, and text attention in both directions
        "custom_text": True,
        "vision_cfg": {"image_size": 160, "timm_model_name": "test_vit", "timm_pool": "token", "timm_proj": "linear"},
        "text_cfg": {**TEXT, "no_causal_mask": True},
    },
    "coca": {
        "custom_text": True,
        "vision_cfg": {**VIT, "attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True},
        "text_cfg": {**TEXT, "embed_cls": True, "output_tokens": True},
        "multimodal_cfg": {**TEXT, "attn_pooler_heads": 2},
    },
}


@pytest.fixture
def checkpoint(tmp_path):
    def save(kind, config):
        """Register the architecture, save random weights, return (architecture, file, the library's own model)."""
        arch = f"tiny-{kind}-{tmp_path.name}"
        (tmp_path / f"{arch}.json").write_text(json.dumps({"embed_dim": 10, **config}))
        open_clip.add_model_config(tmp_path / f"{arch}.json")
        model = open_clip.create_model(arch, output_dict=False).eval()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
        torch.save(model.state_dict(), tmp_path / "weights.pt")
        return arch, tmp_path / "weights.pt", model

    return save


def padded_to(length, pad=0):
    def fill(ids, mask):
        full = torch.full((len(ids), length), pad)
        full[:, : ids.shape[1]] = torch.where(mask > 0, ids, pad)
        return full

    return fill


@pytest.mark.parametrize("kind", list(CONFIGS))
def test_both_halves_are_the_librarys_own(kind, checkpoint, batch_of_ids, check_image_tower, check_text_tower):
    arch, file, model = checkpoint(kind, CONFIGS[kind])
    image, text, scale = open_dual(f"openclip:{arch}//{file}")
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (model.visual.image_mean, model.visual.image_std))
    check_image_tower(image, lambda x: model.encode_image((x - mean) / std, normalize=False), 4)
    fill = padded_to(CONTEXT)
    batch = batch_of_ids(49000, end=END)

    def theirs(ids, mask):
        features = model.encode_text(fill(ids, mask), normalize=False)
        return features[0] if isinstance(features, tuple) else features

    check_text_tower(text, batch, theirs, 4)
    assert (image.width, text.width, text.max_tokens, image.resize) == (10, 10, CONTEXT, "crop")
    assert scale == pytest.approx(model.logit_scale.item())
    assert (image.licence, image.url) == ("unknown", "")


def test_siglip_style_text(checkpoint, tmp_path, wordpiece, batch_of_ids, check_text_tower):
    wordpiece(tmp_path / "words")
    text_settings = {
        "context_length": 8, "vocab_size": 40, "width": 16, "heads": 2, "layers": 2, "no_causal_mask": True,
        "proj_bias": True, "pool_type": "last", "hf_tokenizer_name": str(tmp_path / "words"),
        "tokenizer_kwargs": {"clean": "canonicalize"},
    }  # fmt: skip
    arch, file, model = checkpoint("siglip", {"custom_text": True, "vision_cfg": VIT, "text_cfg": text_settings})
    tower = open_text_tower(f"openclip:{arch}//{file}")
    check_text_tower(tower, batch_of_ids(40), lambda ids, mask: model.encode_text(padded_to(8)(ids, mask)), 4)
    from tokenizers import Tokenizer

    mine, theirs = Tokenizer.from_str(tower.tokenizer_json), open_clip.get_tokenizer(arch)
    for line in ("A RED, cat!", "the_dog &amp; the hill.", "  Photo of   cat ", "", "cat's"):
        ids = mine.encode(line).ids
        assert theirs(line)[0].tolist() == ids + [0] * (8 - len(ids)), line


def test_text_of_transformers_inside(checkpoint, tmp_path, wordpiece, batch_of_ids, check_text_tower):
    from transformers import BertConfig

    folder = tmp_path / "bert"
    wordpiece(folder)
    BertConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24
    ).save_pretrained(folder)
    settings = {"hf_model_name": str(folder), "hf_tokenizer_name": str(folder), "hf_model_pretrained": False}
    config = {"vision_cfg": VIT, "text_cfg": {**settings, "hf_pooler_type": "mean_pooler", "context_length": 20}}
    (tmp_path / "tiny-bert.json").write_text(json.dumps({"embed_dim": 10, **config}))
    open_clip.add_model_config(tmp_path / "tiny-bert.json")
    model = open_clip.create_model("tiny-bert", pretrained_text=False).eval()
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    tower = open_text_tower(f"openclip:tiny-bert//{tmp_path / 'weights.pt'}")
    check_text_tower(tower, batch_of_ids(40), lambda ids, mask: model.encode_text(torch.where(mask > 0, ids, 0)))


def test_random_weights_have_to_be_asked_for(checkpoint):
    arch, *_ = checkpoint("clip", CONFIGS["clip"])
    with pytest.raises(TrainingError, match=f"names no weights.*openclip:{arch}/TAG"):
        open_dual(f"openclip:{arch}")
    assert open_image_tower(f"openclip:{arch}", pretrained=False).licence == ""


@pytest.mark.parametrize("name", ["ViT-B-32/no_such_tag", "no-such-arch/tag", "ViT-B-32//no/such/file.pt"])
def test_what_cannot_be_had_says_the_way_out(name):
    with pytest.raises(ModelMissing, match=r"path/to/checkpoint|path of a checkpoint"):
        open_dual(f"openclip:{name}")


def test_names():
    assert Name.of("ViT-B-32/laion2b") == Name("ViT-B-32", "laion2b")
    assert Name.of("ViT-B-32///data/x.pt") == Name("ViT-B-32", "", "/data/x.pt")
    assert Name.of("ViT-B-32//x/y.pt") == Name("ViT-B-32", "", "x/y.pt")
    assert Name.of("hf-hub:org/name") == Name("hf-hub:org/name")
    assert not Name.of("ViT-B-32").weights
