"""Label transfer, and a vector of two blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bouba.training.labels import (  # noqa: E402  torch is not installed everywhere
    ImageBlocks,
    Joined,
    TextBlocks,
    fit_label_transfer,
    interleaved,
    naming_texts,
)

NAMES = [["cat", "house cat"], ["dog"], ["boat"]]


def encode(texts: Sequence[str]) -> np.ndarray:
    """A text tower that hears three words: 5 numbers a text."""
    heard = [[word in text for word in ("cat", "dog", "boat")] for text in texts]
    rows = np.hstack([np.array(heard, np.float32), np.full((len(texts), 2), 0.3, np.float32)])
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Fixed(torch.nn.Module):
    """A head that says the same of everything: two numbers of length 1."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.tensor([0.6, 0.8]).expand(len(features), 2)


def test_every_name_appears_in_every_template() -> None:
    texts = naming_texts(NAMES)
    assert [len(group) for group in texts] == [6, 3, 3]
    assert "a photo of a house cat" in texts[0]


def test_cosines_of_joined_blocks_add_up() -> None:
    unit = torch.nn.functional.normalize
    scenes, labels = unit(torch.randn(2, 6), dim=1), unit(torch.randn(2, 4), dim=1)
    whole = Joined(6, 4, weight=0.5)(scenes, labels)
    expected = (scenes[0] @ scenes[1] + 0.25 * labels[0] @ labels[1]) / 1.25
    assert torch.allclose(whole.norm(dim=1), torch.ones(2), atol=1e-6)
    assert (whole[0] @ whole[1]).item() == pytest.approx(expected.item(), abs=1e-6)


def test_every_prefix_has_its_share_of_both_blocks() -> None:
    order = interleaved(320, 192).numpy()
    assert sorted(order) == list(range(512))
    for length in range(1, 513):
        assert (order[:length] < 320).sum() == pytest.approx(length * 320 / 512, abs=1)


def test_a_picture_of_a_class_is_nearest_to_its_name() -> None:
    transfer = fit_label_transfer(naming_texts(NAMES), encode, encode(["a dog on a boat", "a cat", "the dog"]), dim=3)
    assert transfer.classes.shape == (3, 3)
    joined = Joined(2, 3, weight=1.0)
    images, texts = ImageBlocks(Fixed(), torch.nn.Identity(), transfer, joined), TextBlocks(Fixed(), transfer, joined)
    with torch.no_grad():
        of_images, of_texts = images(9 * torch.eye(3)), texts(torch.tensor(encode(["cat", "dog", "boat"])))
    assert of_images.shape == of_texts.shape == (3, 5)
    # The scene block says the same of all, so the label block alone decides.
    assert (of_texts @ of_images.T).argmax(1).tolist() == [0, 1, 2]
