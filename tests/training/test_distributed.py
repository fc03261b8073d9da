"""Two real processes against one. Run by `torchrun`, this file is also the program of those processes."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402  torch is not installed everywhere

from bouba.errors import TrainingError  # noqa: E402
from bouba.training import distributed  # noqa: E402
from bouba.training.distributed import World, average_gradients, gather_rows  # noqa: E402
from bouba.training.gradcache import cached_backward  # noqa: E402
from bouba.training.losses import info_nce, sigmoid_loss  # noqa: E402

ALONE = World(0, 1, torch.device("cpu"))
BATCH, STEPS = 13, 5  # the shares of two are 6 and 7
WAYS = ("info_nce", "sigmoid", "gradcache", "noise")


class Dual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.image = nn.Sequential(nn.Linear(10, 24), nn.GELU(), nn.Linear(24, 8))
        self.text = nn.Sequential(nn.Linear(6, 24), nn.GELU(), nn.Linear(24, 8))
        self.log_scale = nn.Parameter(torch.tensor(2.0))
        self.bias = nn.Parameter(torch.tensor(-3.0))  # unused by InfoNCE: must stay as it is


def step(model: Dual, images: Tensor, texts: Tensor, weights: Tensor, way: str) -> Tensor:
    """Loss of the global batch, and its gradient in `model`, from this process's share."""

    def encode_image(rows: Tensor) -> Tensor:
        return nn.functional.normalize(model.image(rows), dim=1)

    def encode_text(rows: Tensor) -> Tensor:
        return nn.functional.normalize(model.text(rows), dim=1)

    def loss(images: Tensor, texts: Tensor) -> Tensor:
        images, texts, all_weights = (gather_rows(rows) for rows in (images, texts, weights))
        if way == "sigmoid":
            return sigmoid_loss(images, texts, model.log_scale.exp(), model.bias, weights=all_weights)
        return info_nce(images, texts, model.log_scale.exp(), weights=all_weights, hardness=0.2)

    if way == "gradcache":
        chunks = [[(part,) for part in rows.split(4)] for rows in (images, texts)]
        return cached_backward([encode_image, encode_text], chunks, loss)
    value = loss(encode_image(images), encode_text(texts))
    value.backward()
    return value.detach()


def seeded_noise(rows: Tensor, numbers: Tensor) -> Tensor:
    """Each sample's own noise, whichever process holds it."""
    noise = [torch.randn(rows.shape[1:], generator=torch.Generator().manual_seed(int(n))) for n in numbers]
    return rows + 0.1 * torch.stack(noise)


def train(world: World, way: str) -> dict[str, Any]:
    model = Dual()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    generator = torch.Generator().manual_seed(1)
    losses, gradients = [], []
    for at in range(STEPS):
        images, texts = (torch.randn(BATCH, width, generator=generator) for width in (10, 6))
        weights, mine = torch.rand(BATCH, generator=generator), world.share(BATCH)
        if way == "noise":
            images = seeded_noise(images, torch.arange(BATCH) + at * BATCH)
        optimizer.zero_grad()
        losses.append(float(step(model, images[mine], texts[mine], weights[mine], way)))
        average_gradients(model.parameters())
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
        optimizer.step()
    weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    return {"losses": losses, "gradients": gradients, "weights": weights}


def gathered_shares(world: World) -> dict[str, Tensor]:
    """What gathering gives for shares of unequal size, down to none, of several types and shapes."""
    rows = torch.arange(BATCH)
    mine = rows[world.share(BATCH)]
    none_or_all = rows if world.rank == 0 else rows[:0]
    return {
        "numbers": gather_rows(mine),
        "rows": gather_rows(mine[:, None, None].double().expand(-1, 2, 3)),
        "one_empty": gather_rows(none_or_all),
    }


def averaged_gradients(world: World) -> list[Tensor | None]:
    """Gradients that differ: in both processes, in one, in neither; of two types, and more than a bucket holds."""
    large = torch.zeros((distributed._BUCKET_BYTES // 4) + 1)
    parameters = [nn.Parameter(x) for x in (torch.zeros(2), torch.zeros(3).double(), torch.zeros(1), large)]
    parameters[0].grad = torch.full((2,), 1.0 + world.rank)
    parameters[1].grad = torch.ones(3).double() if world.rank == 1 else None
    parameters[3].grad = torch.full_like(large, 4.0 * world.rank)
    average_gradients(parameters)
    return [None if p.grad is None else p.grad[:3] for p in parameters]


def one_process(folder: Path) -> None:
    world = distributed.start()
    torch.set_num_threads(1)
    seen = {way: train(world, way) for way in WAYS}
    seen |= {"world": (world.rank, world.size), "gathered": gathered_shares(world), "mean": averaged_gradients(world)}
    torch.save(seen, folder / f"{world.rank}.pt")
    distributed.stop()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("two")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    run = subprocess.run([*command, __file__, str(folder)], capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr
    return [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]


@cache
def one(way: str) -> dict[str, Any]:
    return train(ALONE, way)


@pytest.mark.parametrize("way", WAYS)
def test_two_processes_train_as_one_does(two: list[dict[str, Any]], way: str) -> None:
    start = dict(Dual().named_parameters())
    for process in two:
        assert process[way]["losses"] == pytest.approx(one(way)["losses"], abs=1e-5)
        for name, weight in one(way)["weights"].items():
            assert (process[way]["weights"][name] - weight).abs().max() <= 1e-5, name
        # AdamW forgives a factor, so the gradients too.
        for ours, expected in zip(process[way]["gradients"], one(way)["gradients"], strict=True):
            assert ours.keys() == expected.keys()
            assert all(torch.allclose(ours[name], expected[name], rtol=1e-4, atol=1e-5) for name in expected)
    moved = {name for name, weight in one(way)["weights"].items() if not torch.equal(weight, start[name])}
    assert {"image.0.weight", "text.2.bias", "log_scale"} <= moved
    assert ("bias" in moved) == (way == "sigmoid")


def test_both_processes_have_the_same_weights(two: list[dict[str, Any]]) -> None:
    for way in WAYS:
        weights = [process[way]["weights"] for process in two]
        assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_gathered_rows_are_the_batch(two: list[dict[str, Any]]) -> None:
    assert [process["world"] for process in two] == [(0, 2), (1, 2)]
    for process in two:
        gathered = process["gathered"]
        assert gathered["numbers"].tolist() == list(range(BATCH))
        assert gathered["rows"].shape == (BATCH, 2, 3)
        assert gathered["rows"][:, 1, 2].tolist() == list(range(BATCH))
        assert gathered["one_empty"].tolist() == list(range(BATCH))


def test_gradients_are_averaged_over_processes(two: list[dict[str, Any]]) -> None:
    for process in two:
        both, second_only, neither, large = process["mean"]
        assert both.tolist() == [1.5, 1.5]
        assert second_only.tolist() == [0.5, 0.5, 0.5]
        assert neither is None
        assert large.tolist() == [2.0, 2.0, 2.0]


def test_one_process_needs_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    world = distributed.start()
    assert (world.rank, world.size) == (0, 1)
    rows, parameter = torch.ones(2, 2), nn.Parameter(torch.ones(2))
    parameter.grad = torch.full((2,), 3.0)
    average_gradients([parameter])
    assert gather_rows(rows) is rows
    assert parameter.grad.tolist() == [3.0, 3.0]
    distributed.stop()


def test_shares_of_every_size_are_the_batch() -> None:
    for size in range(1, 6):
        for rows in range(8):
            shares = [list(range(rows))[World(rank, size, ALONE.device).share(rows)] for rank in range(size)]
            assert [row for share in shares for row in share] == list(range(rows))
            assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("settings", [{"WORLD_SIZE": "2"}, {"WORLD_SIZE": "two"}, {"WORLD_SIZE": "2", "RANK": "0"}])
def test_a_run_of_many_that_torchrun_did_not_start(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TrainingError, match="torchrun"):
        distributed.start()


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name, value in {"RANK": "2", "WORLD_SIZE": "3", "LOCAL_RANK": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TrainingError, match="--nproc-per-node 2"):
        distributed.start()


if __name__ == "__main__":
    one_process(Path(sys.argv[1]))
