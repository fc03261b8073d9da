from __future__ import annotations

import importlib.util
import math
from functools import partial
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from bouba.errors import TrainingError  # noqa: E402  torch is not installed everywhere
from bouba.training.losses import (  # noqa: E402
    LEFT_OUT,
    distillation,
    feature_distillation,
    group_targets,
    info_nce,
    masked_group_targets,
    matryoshka,
    near_duplicate_targets,
    per_pair_loss,
    sigmoid_loss,
)

EYE = torch.eye(2)
seeds = st.integers(0, 10_000)
sizes = st.integers(1, 7)
scales = st.floats(0.1, 100.0)


def unit_rows(n: int, dim: int, seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(n, dim, generator=generator, dtype=dtype), dim=1)


def pairs(n: int, seed: int, dim: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    return unit_rows(n, dim, seed), unit_rows(n, dim, seed + 1)


def random_targets(n: int, seed: int) -> torch.Tensor:
    """Each pair right for itself; of the rest some soft, some wrong, some left out."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.rand(n, n, generator=generator, dtype=torch.float64)
    kind = torch.randint(3, (n, n), generator=generator)
    targets[kind == 1] = 0.0
    targets[kind == 2] = LEFT_OUT
    return targets.fill_diagonal_(1.0)


def direct_info_nce(
    images: np.ndarray, texts: np.ndarray, scale: float, targets: np.ndarray, weights: np.ndarray, hardness: float
) -> float:
    """The formula, written as loops over probabilities."""

    def one_way(asking: np.ndarray, answers: np.ndarray, fits: np.ndarray) -> float:
        total = 0.0
        for i in range(len(asking)):
            scores = [scale * float(asking[i] @ answer) for answer in answers]
            wrong = [j for j in range(len(answers)) if fits[i, j] == 0]
            mean = np.mean([math.exp(hardness * scores[j]) for j in wrong]) if wrong else 1.0
            masses = {j: math.exp(scores[j]) for j in range(len(answers)) if fits[i, j] > 0}
            masses |= {j: math.exp(scores[j]) * math.exp(hardness * scores[j]) / mean for j in wrong}
            shares = {j: fits[i, j] * weights[j] for j in masses}
            for j in masses:
                if shares[j] > 0:
                    part = shares[j] / sum(shares.values())
                    total -= weights[i] * part * math.log(masses[j] / sum(masses.values()))
        return total

    return (one_way(images, texts, targets) + one_way(texts, images, targets.T)) / 2 / float(weights.sum())


@settings(max_examples=60, deadline=None)
@given(n=sizes, seed=seeds, scale=st.floats(0.1, 20.0), hardness=st.sampled_from([0.0, 0.3, 1.0]))
def test_info_nce_is_the_formula(n: int, seed: int, scale: float, hardness: float) -> None:
    images, texts = pairs(n, seed)
    targets, weights = random_targets(n, seed), torch.rand(n, dtype=torch.float64) + 0.01
    loss = info_nce(images, texts, scale, targets=targets, weights=weights, hardness=hardness)
    arrays = (x.numpy() for x in (images, texts))
    expected = direct_info_nce(*arrays, scale, targets.numpy(), weights.numpy(), hardness)
    assert loss.item() == pytest.approx(expected, rel=1e-6, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(n=sizes, seed=seeds, scale=scales, bias=st.floats(-20, 20))
def test_sigmoid_loss_is_the_formula(n: int, seed: int, scale: float, bias: float) -> None:
    images, texts = pairs(n, seed)
    targets, weights = random_targets(n, seed), torch.rand(n, dtype=torch.float64)
    expected = 0.0
    for i in range(n):
        for j in range(n):
            logit, target = scale * float(images[i] @ texts[j]) + bias, float(targets[i, j])
            if target != LEFT_OUT:
                expected += target * float(min(weights[i], weights[j])) * np.logaddexp(0, -logit)
                expected += (1 - target) * np.logaddexp(0, logit)
    loss = sigmoid_loss(images, texts, scale, bias, targets=targets, weights=weights)
    assert loss.item() == pytest.approx(expected / n, rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(n=sizes, seed=seeds, scale=scales)
def test_order_of_pairs_does_not_matter(n: int, seed: int, scale: float) -> None:
    images, texts = pairs(n, seed)
    targets, weights = random_targets(n, seed), torch.rand(n, dtype=torch.float64) + 0.01
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    moved = {"targets": targets[order][:, order], "weights": weights[order]}
    for loss in (partial(info_nce, hardness=0.5), partial(sigmoid_loss, bias=-1.0)):
        before = loss(images, texts, scale, targets=targets, weights=weights)
        assert loss(images[order], texts[order], scale, **moved).item() == pytest.approx(before.item(), rel=1e-9)
    each = per_pair_loss(images, texts, scale)
    assert torch.allclose(per_pair_loss(images[order], texts[order], scale), each[order])


@settings(max_examples=30, deadline=None)
@given(n=sizes, seed=seeds, scale=scales)
def test_images_and_texts_may_change_places(n: int, seed: int, scale: float) -> None:
    images, texts = pairs(n, seed)
    targets = random_targets(n, seed)
    loss = info_nce(images, texts, scale, targets=targets, hardness=0.3)
    assert info_nce(texts, images, scale, targets=targets.T, hardness=0.3).item() == pytest.approx(loss.item())


@settings(max_examples=30, deadline=None)
@given(n=sizes, seed=seeds, scale=scales)
def test_the_loss_is_the_weighted_mean_of_the_pairs(n: int, seed: int, scale: float) -> None:
    images, texts = pairs(n, seed)
    each, weights = per_pair_loss(images, texts, scale), torch.rand(n, dtype=torch.float64) + 0.01
    assert info_nce(images, texts, scale).item() == pytest.approx(each.mean().item())
    expected = (weights * each).sum() / weights.sum()
    assert info_nce(images, texts, scale, weights=weights).item() == pytest.approx(expected.item())


def test_info_nce_of_two_orthogonal_pairs() -> None:
    expected = math.log(math.exp(2) + 1) - 2  # each row: its own pair scores 2, the other 0
    assert info_nce(EYE, EYE, 2.0).item() == pytest.approx(expected, abs=1e-6)
    assert info_nce(EYE, EYE.flip(0), 2.0).item() == pytest.approx(math.log(1 + math.exp(2)), abs=1e-6)


def test_sigmoid_loss_of_two_orthogonal_pairs() -> None:
    expected = math.log(1 + math.exp(-2 + 1)) + math.log(1 + math.exp(-1))  # logits 2 - 1 and 0 - 1
    assert sigmoid_loss(EYE, EYE, 2.0, -1.0).item() == pytest.approx(expected, abs=1e-6)


def test_hardness_puts_the_weight_on_the_wrong_answer_that_is_close() -> None:
    images = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, -1.0]])
    plain, hard = (info_nce(images, images, 5.0, hardness=hardness) for hardness in (0.0, 1.0))
    assert hard > plain
    near, far = 5 * 0.6, 0.0  # row 0: its two wrong answers
    weights = [2 * math.exp(near) / (math.exp(near) + 1), 2 / (math.exp(near) + 1)]
    row = math.log(math.exp(5) + weights[0] * math.exp(near) + weights[1] * math.exp(far)) - 5
    first = info_nce(images, images, 5.0, weights=torch.tensor([1.0, 0.0, 0.0]), hardness=1.0)
    assert first.item() == pytest.approx(row, rel=1e-5)  # symmetric rows: both directions are alike


def test_equally_hard_wrong_answers_keep_their_weight() -> None:
    rows = torch.eye(4)
    plain, hard = (info_nce(rows, rows, 7.0, hardness=hardness) for hardness in (0.0, 2.0))
    assert hard.item() == pytest.approx(plain.item(), rel=1e-5)


def test_a_distrusted_pair_is_no_target_and_pulls_nothing_together() -> None:
    images, texts = (rows.requires_grad_() for rows in pairs(4, seed=3))
    weights = torch.tensor([1.0, 1.0, 1.0, 0.0])
    alone = info_nce(images[[3]], texts[[3]], 10.0, weights=weights[[3]])
    alone.backward()
    assert alone.item() == 0
    assert images.grad.abs().sum() == 0
    grouped = group_targets(torch.tensor([0, 1, 2, 2]))
    without = -(
        sum(torch.log_softmax(10 * images[i] @ texts.T, 0)[i] for i in range(3))
        + sum(torch.log_softmax(10 * images @ texts[i], 0)[i] for i in range(3))
    )
    loss = info_nce(images, texts, 10.0, targets=grouped, weights=weights)
    assert loss.item() == pytest.approx(without.item() / 6)


def test_a_distrusted_pair_adds_no_positive_term_to_the_sigmoid_loss() -> None:
    one = sigmoid_loss(EYE[:1], EYE[:1], 10.0, -5.0, weights=torch.zeros(1))
    assert one.item() == 0
    both = sigmoid_loss(EYE, EYE, 10.0, -5.0, weights=torch.tensor([1.0, 0.0]))
    assert both.item() == pytest.approx((3 * math.log1p(math.exp(-5))) / 2, rel=1e-5)


def test_pairs_of_one_group_are_right_for_one_another_or_left_out() -> None:
    groups = torch.tensor([7, 7, 8])
    assert group_targets(groups).tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert masked_group_targets(groups).tolist() == [[1, LEFT_OUT, 0], [LEFT_OUT, 1, 0], [0, 0, 1]]
    rows = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    ones, other = 2 * (math.log(math.e + 1) - 1), math.log(math.e + 2) - 1
    masked = info_nce(rows, rows, 1.0, targets=masked_group_targets(groups))
    assert masked.item() == pytest.approx((ones + other) / 3, abs=1e-6)
    drawn = info_nce(rows, rows, 1.0, targets=group_targets(groups))
    assert drawn.item() == pytest.approx((2 * (math.log(2 * math.e + 1) - 1) + other) / 3, abs=1e-6)


def test_near_duplicates_by_picture_or_by_text_are_soft_targets() -> None:
    images = torch.tensor([[1.0, 0.0], [0.96, 0.28], [0.0, 1.0]])
    texts = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    targets = near_duplicate_targets(images, texts, threshold=0.9, temperature=0.1)
    close = math.exp(-0.4)
    assert torch.allclose(targets, torch.tensor([[1, close, 0], [close, 1, 1], [0, 1, 1]]), atol=1e-6)


def test_matryoshka_is_the_mean_over_renormalised_prefixes() -> None:
    images, texts = pairs(4, seed=0, dim=6)
    prefixes = [(rows[:, :2] / rows[:, :2].norm(dim=1, keepdim=True)) for rows in (images, texts)]
    expected = (info_nce(images, texts, 9.0) + info_nce(*prefixes, 9.0)) / 2
    assert matryoshka(info_nce, (6, 2))(images, texts, 9.0).item() == pytest.approx(expected.item())
    named = matryoshka(sigmoid_loss, [6])(images, texts, 9.0, bias=-3.0)
    assert named.item() == pytest.approx(sigmoid_loss(images, texts, 9.0, -3.0).item())


@pytest.mark.parametrize("dims", [(), (0,), (5, 6)])
def test_matryoshka_dimensions_outside_the_embedding_are_refused(dims: tuple[int, ...]) -> None:
    with pytest.raises(TrainingError, match="from 1 to 5"):
        matryoshka(info_nce, dims)(*pairs(3, seed=0), 1.0)


def test_shapes_that_do_not_fit_are_refused() -> None:
    images, texts = pairs(3, seed=0)
    with pytest.raises(TrainingError, match=r"images \(3, 5\) and texts \(2, 5\)"):
        info_nce(images, texts[:2], 1.0)
    with pytest.raises(TrainingError, match=r"weights of a loss have shape \(3, 1\): give \(3,\)"):
        info_nce(images, texts, 1.0, weights=torch.ones(3, 1))
    with pytest.raises(TrainingError, match="targets"):
        sigmoid_loss(images, texts, 1.0, 0.0, targets=torch.ones(3))


def test_distillation_is_the_divergence_of_softened_classes() -> None:
    student, teacher = torch.randn(5, 4, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    taught, learned = (torch.softmax(logits / 3, dim=1) for logits in (teacher, student))
    expected = 9 * (taught * (taught / learned).log()).sum(1).mean()
    assert distillation(student, teacher, 3.0).item() == pytest.approx(expected.item())
    assert distillation(teacher + 5, teacher, 3.0).item() == pytest.approx(0, abs=1e-12)


def test_feature_distillation_looks_at_direction_only_and_never_teaches_the_old() -> None:
    old = torch.tensor([[1.0, 0.0], [0.0, 2.0]], requires_grad=True)
    new = torch.tensor([[3.0, 0.0], [1.0, 0.0]], requires_grad=True)
    loss = feature_distillation(new, old)
    loss.backward()
    assert loss.item() == pytest.approx(0.5)
    assert old.grad is None
    assert new.grad is not None


@pytest.mark.parametrize("hardness", [0.0, 0.5])
def test_gradients_of_info_nce(hardness: float) -> None:
    images, texts = (rows.requires_grad_() for rows in pairs(4, seed=2))
    scale = torch.tensor(7.0, dtype=torch.float64, requires_grad=True)
    targets, weights = random_targets(4, seed=5), torch.tensor([1.0, 0.5, 0.0, 0.2])
    loss = partial(info_nce, targets=targets, weights=weights, hardness=hardness)
    assert torch.autograd.gradcheck(loss, (images, texts, scale))


def test_gradients_of_the_other_losses() -> None:
    images, texts = (rows.requires_grad_() for rows in pairs(4, seed=2))
    scale, bias = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (7.0, -2.0))
    targets = random_targets(4, seed=5)
    assert torch.autograd.gradcheck(partial(sigmoid_loss, targets=targets), (images, texts, scale, bias))
    assert torch.autograd.gradcheck(per_pair_loss, (images, texts, scale))
    assert torch.autograd.gradcheck(matryoshka(info_nce, (5, 2)), (images, texts, scale))
    assert torch.autograd.gradcheck(lambda rows: distillation(rows, texts, 2.0), (images,))
    assert torch.autograd.gradcheck(lambda rows: feature_distillation(rows, texts), (images,))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("agreeing", [True, False])
def test_safe_at_scale_100_in_half_precision(dtype: torch.dtype, agreeing: bool) -> None:
    rows = unit_rows(64, 32, seed=0, dtype=torch.float32).to(dtype)
    images, texts = rows.clone().requires_grad_(), (rows if agreeing else -rows).clone().requires_grad_()
    weights = torch.ones(64, dtype=dtype)
    with torch.autocast("cpu", dtype=dtype):
        losses = [
            info_nce(images, texts, 100.0, targets=masked_group_targets(torch.arange(64) // 2), hardness=0.5),
            info_nce(images, texts, 100.0, weights=weights),
            sigmoid_loss(images, texts, 100.0, -10.0, weights=weights),
            matryoshka(info_nce, (32, 8))(images, texts, 100.0),
            feature_distillation(images, texts),
            distillation(images * 100, texts * 100, 1.0),
        ]
        exact = info_nce(images.double(), texts.double(), 100.0)
    assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in losses)
    assert losses[1].item() == pytest.approx(exact.item(), rel=1e-4, abs=1e-4)
    torch.stack(losses).sum().backward()
    assert images.grad.isfinite().all()
    assert texts.grad.isfinite().all()


@pytest.fixture(scope="module")
def open_clip_loss() -> ModuleType:
    """open_clip's losses alone: the package around them needs torchvision."""
    package = importlib.util.find_spec("open_clip")
    if package is None or not package.submodule_search_locations:
        pytest.skip("open_clip is not installed")
    path = f"{package.submodule_search_locations[0]}/loss.py"
    spec = importlib.util.spec_from_file_location("open_clip_loss", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("scale", [1.0, 14.3, 100.0])
def test_same_values_and_gradients_as_open_clip(open_clip_loss: ModuleType, scale: float) -> None:
    theirs = [open_clip_loss.ClipLoss(), partial(open_clip_loss.SigLipLoss(), logit_bias=torch.tensor(-4.0))]
    ours = [info_nce, partial(sigmoid_loss, bias=-4.0)]
    for mine, other in zip(ours, theirs, strict=True):
        a, b = (tuple(rows.requires_grad_() for rows in pairs(9, seed=4)) for _ in range(2))
        loss, expected = mine(*a, scale), other(*b, logit_scale=scale)
        torch.autograd.backward([loss, expected])
        assert loss.item() == pytest.approx(expected.item(), rel=1e-9)
        assert all(torch.allclose(x.grad, y.grad, rtol=1e-6, atol=1e-9) for x, y in zip(a, b, strict=True))
