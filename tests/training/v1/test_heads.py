from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bouba.training.v1.blocks import joined  # noqa: E402  torch is not installed everywhere
from bouba.training.v1.heads import Head, HeadsConfig, TrainingSet, info_nce, train_heads  # noqa: E402

APART = torch.arange(2)
SMALL = HeadsConfig(dim=8, image_hidden=16, text_hidden=16, steps=3)


def test_info_nce_of_two_orthogonal_pairs() -> None:
    rows = torch.eye(2)
    expected = math.log(math.exp(2) + 1) - 2  # each row: its own pair scores 2, the other 0
    assert info_nce(rows, rows, 2.0, APART).item() == pytest.approx(expected, abs=1e-6)


def test_info_nce_of_swapped_pairs() -> None:
    rows = torch.eye(2)
    assert info_nce(rows, rows.flip(0), 2.0, APART).item() == pytest.approx(math.log(1 + math.exp(2)), abs=1e-6)


def test_info_nce_is_the_mean_of_both_directions() -> None:
    images = torch.eye(2)
    texts = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    logits = [[1.0, 0.6], [0.0, 0.8]]
    by_image = sum(math.log(math.exp(row[0]) + math.exp(row[1])) - row[i] for i, row in enumerate(logits)) / 2
    columns = list(zip(*logits, strict=True))
    by_text = sum(math.log(math.exp(col[0]) + math.exp(col[1])) - col[i] for i, col in enumerate(columns)) / 2
    assert info_nce(images, texts, 1.0, APART).item() == pytest.approx((by_image + by_text) / 2, abs=1e-6)


def test_rows_of_one_group_are_not_held_against_each_other() -> None:
    rows = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    loss = info_nce(rows, rows, 1.0, torch.tensor([7, 7, 8]))
    ones = 2 * (math.log(math.e + 1) - 1)
    other = math.log(math.e + 2) - 1  # both of the group count against a third
    assert loss.item() == pytest.approx((ones + other) / 3, abs=1e-6)


def test_a_head_gives_unit_rows() -> None:
    rows = Head(12, 5, 7, dropout=0.5).eval()(torch.randn(4, 12))
    assert rows.shape == (4, 5)
    assert torch.allclose(rows.norm(dim=1), torch.ones(4), atol=1e-6)


def test_standardised_inputs_have_mean_nought_and_spread_one() -> None:
    head = Head(3, 2, 2, dropout=0.0)
    features = torch.randn(500, 3) * torch.tensor([1.0, 20.0, 0.1]) + 5
    head.standardise(features)
    inputs = (features - head.mean) / head.std
    assert torch.allclose(inputs.mean(0), torch.zeros(3), atol=1e-4)
    assert torch.allclose(inputs.std(0), torch.ones(3), atol=1e-4)


def test_cosines_of_joined_blocks_add_up() -> None:
    unit = torch.nn.functional.normalize
    scenes, labels = unit(torch.randn(2, 6), dim=1), unit(torch.randn(2, 4), dim=1)
    whole = joined(scenes, labels, label_weight=0.5)
    expected = (scenes[0] @ scenes[1] + 0.25 * labels[0] @ labels[1]) / 1.25
    assert torch.allclose(whole.norm(dim=1), torch.ones(2), atol=1e-6)
    assert (whole[0] @ whole[1]).item() == pytest.approx(expected.item(), abs=1e-6)


def synthetic_set(pictures: int = 64, texts_each: int = 2) -> TrainingSet:
    """Pictures and texts that are two linear views of the same hidden things."""
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(pictures, 6, generator=generator)
    images = hidden @ torch.randn(6, 20, generator=generator)
    texts = hidden.repeat_interleave(texts_each, 0) @ torch.randn(6, 10, generator=generator)
    rows = torch.arange(pictures * texts_each).view(pictures, texts_each)
    return TrainingSet(images[None], texts, rows, torch.arange(pictures), per_step=32)


def mean_rank(heads: torch.nn.Module, pairs: TrainingSet) -> float:
    with torch.no_grad():
        scores = heads.image(pairs.views[0]) @ heads.text(pairs.texts[pairs.text_rows[:, 0]]).T
    return float((scores > scores.diagonal()[:, None]).sum(1).float().mean())


def test_three_steps_run_and_more_steps_find_the_pairs() -> None:
    pairs = synthetic_set()
    said: list[str] = []
    after_three = mean_rank(train_heads([pairs], SMALL, said.append), pairs)
    assert said == [said[0]]
    assert said[0].startswith("step 3/3")
    longer = HeadsConfig(dim=8, image_hidden=16, text_hidden=16, steps=80, averaging=0.9, learning_rate=1e-2)
    assert mean_rank(train_heads([pairs], longer, said.append), pairs) < after_three / 2


def test_the_same_seed_gives_the_same_heads() -> None:
    first, second = (train_heads([synthetic_set()], SMALL, lambda _: None) for _ in range(2))
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_step_draws_different_pictures_with_their_own_texts() -> None:
    pairs = synthetic_set()
    images, texts, groups = pairs.sample(torch.Generator().manual_seed(0))
    assert images.shape == (32, 20)
    assert len(set(groups.tolist())) == 32
    for image, text, group in zip(images, texts, groups, strict=True):
        assert torch.equal(image, pairs.views[0, group])
        assert any(np.array_equal(text, pairs.texts[row]) for row in pairs.text_rows[group])
