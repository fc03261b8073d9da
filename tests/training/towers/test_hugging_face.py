from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from bouba.errors import ModelBroken, ModelMissing, TrainingError
from bouba.training.towers import open_dual, open_image_tower, open_text_tower
from bouba.training.towers.torchvision_ops import import_torchvision

import_torchvision()
transformers = pytest.importorskip("transformers")

VOCABULARY, SIZE = 40, 32
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
MEAN, STD = torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1), torch.tensor([0.2, 0.25, 0.3]).view(3, 1, 1)
CARD = "---\nlicense: cc-by-nc-4.0\n---\n# A model\n"


def text_config(kind):
    names = {"bert": transformers.BertConfig, "mpnet": transformers.MPNetConfig, "roberta": transformers.RobertaConfig}
    if kind == "distilbert":
        return transformers.DistilBertConfig(
            vocab_size=VOCABULARY, dim=16, n_layers=2, n_heads=2, hidden_dim=24, max_position_embeddings=20
        )
    return names[kind](vocab_size=VOCABULARY, max_position_embeddings=24, pad_token_id=0, **SMALL)


def vision_config(kind):
    if kind == "convnext":
        return transformers.ConvNextConfig(hidden_sizes=[8, 8, 12, 16], depths=[1, 1, 2, 1], image_size=SIZE)
    if kind == "resnet":
        return transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    names = {"vit": transformers.ViTConfig, "dinov2": transformers.Dinov2Config}
    return names[kind](image_size=SIZE, patch_size=16, **SMALL)


def dual_config(kind):
    vision = {"image_size": SIZE, "patch_size": 16, **SMALL}
    text = {"vocab_size": VOCABULARY, "max_position_embeddings": 12, **SMALL}
    if kind == "clip":
        ends = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
        return transformers.CLIPConfig(text_config={**text, **ends}, vision_config=vision, projection_dim=10)
    return transformers.SiglipConfig(text_config={**text, "projection_size": 16}, vision_config=vision)


def save(folder, config):
    net = transformers.AutoModel.from_config(config).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    net.save_pretrained(folder)
    (folder / "README.md").write_text(CARD)
    return net


def save_picture_settings(folder: Path, **more) -> None:
    settings = {
        "image_processor_type": "ViTImageProcessor", "size": {"height": SIZE, "width": SIZE}, "resample": 3,
        "do_resize": True, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
        "image_mean": MEAN.flatten().tolist(), "image_std": STD.flatten().tolist(), **more,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


def pool(net, how):
    def features(ids, mask):
        tokens = net(input_ids=ids, attention_mask=mask).last_hidden_state
        if how == "cls":
            return torch.nn.functional.normalize(tokens[:, 0], dim=-1)
        return (tokens * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)

    return features


@pytest.mark.parametrize("kind", ["bert", "distilbert", "mpnet", "roberta"])
def test_text_networks(kind, tmp_path, wordpiece, batch_of_ids, check_text_tower):
    net = save(tmp_path, text_config(kind))
    wordpiece(tmp_path)
    tower = open_text_tower(f"hf:{tmp_path}")
    check_text_tower(tower, batch_of_ids(VOCABULARY), pool(net, "mean"), least_stages=4)
    assert (tower.licence, tower.url) == ("cc-by-nc-4.0", "")
    assert tower.max_tokens == 20
    assert Tokenizer.from_str(tower.tokenizer_json).encode("A red cat").tokens == ["[CLS]", "a", "red", "cat", "[SEP]"]


def test_pooling_is_what_sentence_transformers_wrote(tmp_path, wordpiece, batch_of_ids):
    net = save(tmp_path, text_config("bert"))
    wordpiece(tmp_path)
    kinds = ["Transformer", "Pooling", "Normalize"]
    modules = [{"path": f"{i}_{kind}", "type": f"sentence_transformers.models.{kind}"} for i, kind in enumerate(kinds)]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "1_Pooling").mkdir()
    pooling = tmp_path / "1_Pooling" / "config.json"
    pooling.write_text(json.dumps({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}))
    batch = batch_of_ids(VOCABULARY)
    with torch.no_grad():
        found = open_text_tower(f"hf:{tmp_path}")(*batch)
        torch.testing.assert_close(found, pool(net, "cls")(*batch), atol=1e-5, rtol=1e-4)
    pooling.write_text(json.dumps({"pooling_mode_max_tokens": True}))
    with pytest.raises(TrainingError, match="pools by max_tokens"):
        open_text_tower(f"hf:{tmp_path}")


@pytest.mark.parametrize(("kind", "stages"), [("vit", 4), ("dinov2", 4), ("convnext", 6), ("resnet", 4)])
def test_picture_networks(kind, stages, tmp_path, check_image_tower):
    net = save(tmp_path, vision_config(kind))
    save_picture_settings(tmp_path)
    tower = open_image_tower(f"hf:{tmp_path}")
    check_image_tower(tower, lambda x: net((x - MEAN) / STD).pooler_output.flatten(1), stages)
    assert (tower.size, tower.resize, tower.interpolation) == (SIZE, "squash", "bicubic")


def test_picture_settings_agree_with_the_librarys_preprocessing(tmp_path):
    save(tmp_path, vision_config("vit"))
    save_picture_settings(
        tmp_path, image_processor_type="CLIPImageProcessor", size={"shortest_edge": SIZE}, do_center_crop=True,
        crop_size={"height": SIZE, "width": SIZE}, resample=2,
    )  # fmt: skip
    tower = open_image_tower(f"hf:{tmp_path}")
    assert (tower.size, tower.resize, tower.interpolation) == (SIZE, "crop", "bilinear")
    pixels = torch.randint(0, 256, (1, SIZE, SIZE, 3), dtype=torch.uint8)
    processor = transformers.AutoImageProcessor.from_pretrained(tmp_path)
    theirs = processor(pixels[0].numpy(), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(tower.stages()[0](pixels), theirs, atol=1e-5, rtol=1e-4)


def test_a_pooler_that_was_never_trained_is_not_used(tmp_path):
    net = transformers.ViTForImageClassification(vision_config("vit")).eval()
    net.save_pretrained(tmp_path)
    save_picture_settings(tmp_path)
    first, second = (open_image_tower(f"hf:{tmp_path}") for _ in range(2))
    pixels = torch.randint(0, 256, (2, SIZE, SIZE, 3), dtype=torch.uint8)
    assert torch.equal(first(pixels), second(pixels))
    theirs = net.vit((pixels.permute(0, 3, 1, 2) / 255 - MEAN) / STD).last_hidden_state[:, 0]
    torch.testing.assert_close(first(pixels), theirs, atol=1e-5, rtol=1e-4)


def test_clip(tmp_path, wordpiece, batch_of_ids, check_image_tower, check_text_tower):
    net = save(tmp_path, dual_config("clip"))
    save_picture_settings(tmp_path)
    wordpiece(tmp_path)
    image, text, scale = open_dual(f"hf:{tmp_path}")
    check_image_tower(image, lambda x: net.get_image_features((x - MEAN) / STD).pooler_output, 5)
    check_text_tower(
        text, batch_of_ids(VOCABULARY, end=3), lambda ids, m: net.get_text_features(ids, m).pooler_output, 4
    )
    assert (image.width, text.width, text.max_tokens) == (10, 10, 12)
    assert scale == pytest.approx(net.logit_scale.item())
    assert image.licence == "cc-by-nc-4.0"
    assert open_text_tower(f"hf:{tmp_path}").width == 10


def test_siglip_sees_its_padding(tmp_path, wordpiece, batch_of_ids, check_image_tower, check_text_tower):
    net = save(tmp_path, dual_config("siglip"))
    save_picture_settings(tmp_path)
    wordpiece(tmp_path)
    image, text, _ = open_dual(f"hf:{tmp_path}")
    check_image_tower(image, lambda x: net.get_image_features((x - MEAN) / STD).pooler_output, 4)

    def as_trained(ids, mask):
        full = torch.zeros(len(ids), 12, dtype=torch.long)
        full[:, : ids.shape[1]] = ids
        return net.get_text_features(full).pooler_output

    check_text_tower(text, batch_of_ids(VOCABULARY), as_trained, 4)


def test_what_is_wrong_is_said(tmp_path, wordpiece):
    with pytest.raises(ModelMissing, match="hf:no/such cannot be opened"):
        open_text_tower("hf:no/such")
    save(tmp_path, text_config("bert"))
    with pytest.raises(TrainingError, match="is of kind 'bert', not a dual encoder"):
        open_dual(f"hf:{tmp_path}")
    with pytest.raises(ModelMissing, match="picture settings"):
        open_image_tower(f"hf:{tmp_path}")


def test_lost_weights_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    save(tmp_path, text_config("bert"))
    weights = load_file(tmp_path / "model.safetensors")
    weights.pop("encoder.layer.1.output.dense.weight")
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelBroken, match=r"lacks 1 of its weights, encoder.layer.1.output.dense.weight"):
        open_text_tower(f"hf:{tmp_path}")
