from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bouba.errors import ModelMissing
from bouba.training.towers import ImageClassifier, open_image_tower
from bouba.training.towers.torchvision_ops import import_torchvision

import_torchvision()
timm = pytest.importorskip("timm")


@pytest.mark.parametrize(("name", "stages"), [("test_resnet", 6), ("test_vit", 8), ("test_convnext", 6)])
def test_features_are_the_networks_own(name, stages, check_image_tower, tmp_path):
    file = save_random(name, tmp_path)
    tower = open_image_tower(f"timm:{name}//{file}")
    net = timm.create_model(name, num_classes=0).eval()
    net.load_state_dict(torch.load(file), strict=False)
    mean, std = (torch.tensor(net.pretrained_cfg[key]).view(3, 1, 1) for key in ("mean", "std"))
    check_image_tower(tower, lambda x: net((x - mean) / std), stages)


def test_the_classifier_is_kept_and_named(tmp_path):
    file = save_random("test_resnet", tmp_path)
    tower = open_image_tower(f"timm:test_resnet//{file}")
    assert isinstance(tower, ImageClassifier)
    assert tower.class_names[0] == ["tench", "Tinca tinca"]
    assert len(tower.class_names) == 1000
    net = timm.create_model("test_resnet", checkpoint_path=str(file)).eval()
    pixels = torch.randint(0, 256, (2, tower.size, tower.size, 3), dtype=torch.uint8)
    x = (pixels.permute(0, 3, 1, 2) - torch.tensor(tower.mean).view(3, 1, 1)) / torch.tensor(tower.std).view(3, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(tower.classify(tower(pixels)), net(x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit3", "mobilenetv3_small_050"])
def test_families_come_apart(name):
    assert len(open_image_tower(f"timm:{name}", pretrained=False).stages()) > 4


def test_a_family_without_a_cut_is_one_stage():
    tower = open_image_tower("timm:ghostnetv3_050", pretrained=False)
    assert len(tower.stages()) == 2  # normalisation and the network
    assert tower(torch.zeros(1, tower.size, tower.size, 3, dtype=torch.uint8)).shape == (1, tower.width)


def test_settings_are_those_of_the_weights():
    tower = open_image_tower("timm:test_vit", pretrained=False)
    assert (tower.name, tower.size, tower.width) == ("timm:test_vit", 160, 64)
    assert tower.mean == (127.5, 127.5, 127.5)
    assert (tower.licence, tower.url) == ("", "")


@pytest.mark.parametrize("name", ["no_such_network", "test_vit.no_such_tag", "test_vit"])
def test_what_cannot_be_had_says_the_way_out(name):
    with pytest.raises(ModelMissing, match=f"timm:{name} cannot be opened.*//path/to/checkpoint"):
        open_image_tower(f"timm:{name}")


def test_a_checkpoint_that_is_not_there(tmp_path):
    with pytest.raises(ModelMissing, match="is not a file"):
        open_image_tower(f"timm:test_vit//{tmp_path / 'none.pt'}")


def save_random(name: str, folder: Path) -> Path:
    net = timm.create_model(name)
    for parameter in net.parameters():  # some networks start with gains of zero, which would hide mistakes
        torch.nn.init.normal_(parameter, std=0.1)
    torch.save(net.state_dict(), folder / "weights.pth")
    return folder / "weights.pth"
