from __future__ import annotations

from collections.abc import Sequence

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402  torch is not installed everywhere

from bouba.errors import TrainingError  # noqa: E402
from bouba.training.gradcache import cached_backward, checkpointed  # noqa: E402
from bouba.training.losses import info_nce  # noqa: E402
from bouba.training.precision import autocast, gradient_scaler  # noqa: E402

CPU = torch.device("cpu")


class Dual(nn.Module):
    """Two small towers that share a layer, and a learned temperature."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.image_tower = nn.Sequential(nn.Linear(12, 32), nn.GELU(), nn.Dropout(dropout))
        self.text_tower = nn.Sequential(nn.Linear(9, 32), nn.Tanh(), nn.Dropout(dropout))
        self.shared = nn.Linear(32, 16)
        self.log_scale = nn.Parameter(torch.tensor(3.0))

    def image(self, pixels: Tensor) -> Tensor:
        return nn.functional.normalize(self.shared(self.image_tower(pixels)), dim=1)

    def text(self, ids: Tensor, mask: Tensor) -> Tensor:
        return nn.functional.normalize(self.shared(self.text_tower(ids * mask)), dim=1)

    def loss(self, images: Tensor, texts: Tensor) -> Tensor:
        return info_nce(images, texts, self.log_scale.exp())


def dual(dropout: float = 0.0) -> Dual:
    torch.manual_seed(0)
    return Dual(dropout)


def batch(n: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = ((n, 12), (n, 9), (n, 9))
    return tuple(torch.randn(shape, generator=generator) for shape in shapes)


def chunks_of(inputs: Sequence[Tensor], size: int) -> list[tuple[Tensor, ...]]:
    return list(zip(*(x.split(size) for x in inputs), strict=True))


def gradients(model: nn.Module) -> list[Tensor]:
    return [parameter.grad.clone() for parameter in model.parameters()]


def same(a: Sequence[Tensor], b: Sequence[Tensor], tolerance: float = 1e-5) -> bool:
    return all((x - y).abs().max() <= tolerance * max(1.0, float(y.abs().max())) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(("image_chunk", "text_chunk"), [(4, 4), (5, 3), (13, 1), (100, 100)])
def test_gradients_are_those_of_the_large_batch(image_chunk: int, text_chunk: int) -> None:
    pixels, *text = batch(13)
    whole, chunked = dual(), dual()
    expected = whole.loss(whole.image(pixels), whole.text(*text))
    expected.backward()
    chunks = [chunks_of([pixels], image_chunk), chunks_of(text, text_chunk)]
    loss = cached_backward([chunked.image, chunked.text], chunks, chunked.loss)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
    assert not loss.requires_grad
    assert gradients(whole)[0].norm() > 1e-3
    assert same(gradients(chunked), gradients(whole))


def with_all_activations(model: Dual, chunks: Sequence[Sequence[tuple[Tensor, ...]]]) -> Tensor:
    """The large batch with the dropout that the chunks draw, all activations held."""
    encoders = (model.image, model.text)
    rows = [torch.cat([e(*chunk) for chunk in parts]) for e, parts in zip(encoders, chunks, strict=True)]
    return model.loss(*rows)


def test_dropout_is_the_same_in_both_passes_and_moves_on_afterwards() -> None:
    pixels, *text = batch(13)
    chunks = [chunks_of([pixels], 5), chunks_of(text, 4)]
    whole, chunked = dual(dropout=0.5), dual(dropout=0.5)
    torch.manual_seed(7)
    expected = with_all_activations(whole, chunks)
    expected.backward()
    after = torch.rand(1)
    torch.manual_seed(7)
    loss = cached_backward([chunked.image, chunked.text], chunks, chunked.loss)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
    assert same(gradients(chunked), gradients(whole))
    assert torch.rand(1) == after
    assert cached_backward([chunked.image, chunked.text], chunks, chunked.loss) != loss


def test_gradients_add_to_those_that_are_there() -> None:
    pixels, *text = batch(6)
    chunks = [chunks_of([pixels], 4), chunks_of(text, 4)]
    model = dual()
    cached_backward([model.image, model.text], chunks, model.loss)
    once = gradients(model)
    cached_backward([model.image, model.text], chunks, model.loss)
    assert same(gradients(model), [2 * gradient for gradient in once])


def test_a_frozen_tower_gets_no_gradient() -> None:
    pixels, *text = batch(6)
    model = dual()
    frozen = nn.Linear(12, 16).requires_grad_(False)
    cached_backward([frozen, model.text], [chunks_of([pixels], 4), chunks_of(text, 4)], model.loss)
    assert frozen.weight.grad is None
    assert model.shared.weight.grad.norm() > 1e-3


def test_autocast_loses_no_gradient() -> None:
    """torch before 2.10 gives the second pass the weights that the first one converted without a gradient."""
    pixels, *text = batch(13)
    chunks = [chunks_of([pixels], 5), chunks_of(text, 5)]
    whole, chunked = dual(), dual()
    with autocast(CPU, "bfloat16"):
        expected = with_all_activations(whole, chunks)
        loss = cached_backward([chunked.image, chunked.text], chunks, chunked.loss)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    assert all(gradient.norm() > 0 for gradient in gradients(chunked)[::2])
    assert same(gradients(chunked), gradients(whole), tolerance=2e-2)


def test_only_one_chunk_of_activations_is_held() -> None:
    pixels, *text = batch(12)
    model, held, most = dual(), 0, 0

    def watched(pixels: Tensor) -> Tensor:
        def pack(x: Tensor) -> Tensor:
            nonlocal held, most
            held += len(pixels) if x.shape[:1] == pixels.shape[:1] else 0
            most = max(most, held)
            return x

        nonlocal held
        held = 0  # the graph of the chunk before was freed by its backward pass
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            return model.image(pixels)

    cached_backward([watched, model.text], [chunks_of([pixels], 3), chunks_of(text, 3)], model.loss)
    in_chunks, most = most, 0
    watched(pixels)
    assert 0 < in_chunks <= most / 4


def test_a_scaled_loss_scales_gradients_and_not_what_is_returned() -> None:
    pixels, *text = batch(6)
    chunks = [chunks_of([pixels], 4), chunks_of(text, 4)]
    plain, scaled = dual(), dual()
    expected = cached_backward([plain.image, plain.text], chunks, plain.loss)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    loss = cached_backward([scaled.image, scaled.text], chunks, scaled.loss, scaler=scaler)
    assert loss.item() == pytest.approx(expected.item())
    assert same([g / 1024 for g in gradients(scaled)], gradients(plain))


def test_checkpointed_stages_are_the_stages() -> None:
    torch.manual_seed(0)
    calls = 0

    def counted(x: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return torch.tanh(x)

    stages = [nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5)), counted, nn.Linear(8, 3)]
    rows = torch.randn(5, 4)
    torch.manual_seed(3)
    plain = stages[2](stages[1](stages[0](rows)))
    plain.square().sum().backward()
    expected = stages[0][0].weight.grad.clone()
    stages[0].zero_grad()
    calls = 0
    torch.manual_seed(3)
    again = checkpointed(stages)(rows)
    again.square().sum().backward()
    assert torch.equal(again, plain)
    assert torch.allclose(stages[0][0].weight.grad, expected)
    assert calls == 2


def test_checkpointed_stages_may_hand_on_tuples() -> None:
    embedding, last = nn.Embedding(10, 4), nn.Linear(4, 2)

    def first(ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        return embedding(ids), mask

    def pooled(x: Tensor, mask: Tensor) -> Tensor:
        return last((x * mask[..., None]).sum(1))

    ids, mask = torch.randint(10, (3, 5)), torch.ones(3, 5)
    rows = checkpointed([first, pooled])(ids, mask)
    rows.sum().backward()
    assert torch.equal(rows, pooled(*first(ids, mask)))
    assert embedding.weight.grad.norm() > 0


def test_checkpointing_inside_gradient_caching() -> None:
    pixels, *text = batch(7)
    chunks = [chunks_of([pixels], 3), chunks_of(text, 3)]
    plain, saving = dual(dropout=0.3), dual(dropout=0.3)
    image = checkpointed([saving.image_tower, saving.shared, nn.functional.normalize])
    torch.manual_seed(2)
    cached_backward([plain.image, plain.text], chunks, plain.loss)
    torch.manual_seed(2)
    cached_backward([image, saving.text], chunks, saving.loss)
    assert same(gradients(saving), gradients(plain))


def test_precision() -> None:
    rows = torch.randn(2, 2)
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        with autocast(CPU, name):
            assert (rows @ rows).dtype == dtype
        assert not gradient_scaler(CPU, name).is_enabled()
    with pytest.raises(TrainingError, match="use bfloat16"):
        autocast(CPU, "float16")
