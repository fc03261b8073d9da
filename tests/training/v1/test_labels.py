from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bouba.training.labels import fit_label_transfer, naming_texts  # noqa: E402
from bouba.training.v1.blocks import ImageBlocks, TextBlocks  # noqa: E402  torch is not installed everywhere
from bouba.training.v1.heads import Head  # noqa: E402
from bouba.training.v1.labels import likely_classes  # noqa: E402
from bouba.training.v1.pairs import Source, read_pairs  # noqa: E402

NAMES = [["cat", "house cat"], ["dog"], ["boat"]]


def encode(texts: Sequence[str]) -> np.ndarray:
    """A text tower that hears three words: 5 numbers a text."""
    heard = [[word in text for word in ("cat", "dog", "boat")] for text in texts]
    rows = np.hstack([np.array(heard, np.float32), np.full((len(texts), 2), 0.3, np.float32)])
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_every_name_appears_in_every_template() -> None:
    texts = naming_texts(NAMES)
    assert [len(group) for group in texts] == [6, 3, 3]
    assert "a photo of a house cat" in texts[0]


def test_only_a_likely_first_guess_is_sure() -> None:
    logits = np.log(np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]], np.float32))
    classes, sure = likely_classes(logits, 0.5)
    assert classes.tolist() == [0, 2]
    assert sure.tolist() == [True, False]


def test_a_picture_of_a_class_is_nearest_to_its_name() -> None:
    transfer = fit_label_transfer(naming_texts(NAMES), encode, encode(["a dog on a boat", "a cat", "the dog"]), dim=3)
    assert transfer.classes.shape == (3, 3)
    images = ImageBlocks(Head(4, 2, 2, 0.0), transfer, label_weight=1.0).eval()
    texts = TextBlocks(Head(5, 2, 2, 0.0), transfer, label_weight=1.0).eval()
    with torch.no_grad():
        of_images = images(torch.zeros(3, 4), 9 * torch.eye(3))
        of_texts = texts(torch.tensor(encode(["cat", "dog", "boat"])))
    assert of_images.shape == of_texts.shape == (3, 5)
    assert torch.allclose(of_images.norm(dim=1), torch.ones(3), atol=1e-6)
    label_cosines = of_texts[:, 2:] @ of_images[:, 2:].T
    assert label_cosines.argmax(1).tolist() == [0, 1, 2]


def test_pairs_are_one_split_of_a_manifest_with_each_text_once(tmp_path: Path) -> None:
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "rows.jsonl").write_text(
        '{"image": "a.jpg", "split": "train", "label": "cat", "synonyms": ["cat", "house cat"]}\n'
        '{"image": "b.jpg", "split": "val", "label": "dog", "synonyms": []}\n'
    )
    source = Source("things", "things/rows.jsonl", ("label", "synonyms"), terms="", url="")
    (pair,) = read_pairs(tmp_path, source, "train")
    assert pair.image == tmp_path / "things" / "a.jpg"
    assert pair.texts == ("cat", "house cat")
