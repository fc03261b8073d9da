"""Checks that every tower passes, and tiny random networks in local folders."""

from __future__ import annotations

import copy
import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bouba.training.towers import ImageTower, TextTower

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] a photo of the red blue cat dog on hill , .".split()
Check = Callable[..., None]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # an unreachable hub, without the wait


def pixels_for(tower: ImageTower, n: int = 3) -> Tensor:
    shape = (n, tower.size, tower.size, 3)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(n))


@pytest.fixture
def batch_of_ids() -> Callable[..., tuple[Tensor, Tensor]]:
    def batch(vocabulary: int, end: int | None = None, lengths: tuple[int, ...] = (6, 3, 5)) -> tuple[Tensor, Tensor]:
        """Random ids with `end` as the last real one of each row, and their mask."""
        seeded = torch.Generator().manual_seed(1)
        ids = torch.randint(5, vocabulary - 2, (len(lengths), max(lengths)), generator=seeded)
        mask = torch.zeros_like(ids)
        for row, length in enumerate(lengths):
            mask[row, :length] = 1
            if end is not None:
                ids[row, length - 1] = end
        return ids * mask, mask

    return batch


@pytest.fixture
def check_image_tower() -> Check:
    def check(tower: ImageTower, expected: Callable[[Tensor], Tensor], least_stages: int = 1) -> None:
        """`expected` maps float pixels [n, 3, size, size] in 0..1 to features, the library's own way."""
        pixels = pixels_for(tower)
        _check_common(tower, (pixels,), least_stages)
        with torch.no_grad():
            features = tower(pixels)
            theirs = expected(pixels.permute(0, 3, 1, 2).float() / 255)
        assert features.shape == (3, tower.width)
        torch.testing.assert_close(features, theirs, atol=1e-5, rtol=1e-4)
        _check_onnx(tower, (pixels,), (pixels_for(tower, 2),), ["pixels"], {"pixels": {0: "n"}})

    return check


@pytest.fixture
def check_text_tower() -> Check:
    def check(
        tower: TextTower,
        batch: tuple[Tensor, Tensor],
        expected: Callable[[Tensor, Tensor], Tensor],
        least_stages: int = 1,
    ) -> None:
        _check_common(tower, batch, least_stages)
        with torch.no_grad():
            features = tower(*batch)
            theirs = expected(*batch)
        assert features.shape == (len(batch[0]), tower.width)
        torch.testing.assert_close(features, theirs, atol=1e-5, rtol=1e-4)
        other = (batch[0][1:, :4], batch[1][1:, :4])  # another n and another t than traced
        axes = {name: {0: "n", 1: "t"} for name in ("input_ids", "attention_mask")}
        _check_onnx(tower, batch, other, list(axes), axes)

    return check


def _check_common(tower: ImageTower | TextTower, inputs: tuple[Tensor, ...], least_stages: int) -> None:
    stages = tower.stages()
    assert len(stages) >= least_stages
    state: tuple[Tensor, ...] | Tensor = inputs
    with torch.no_grad():
        for stage in stages:
            state = stage(*state) if isinstance(state, tuple) else stage(state)
        assert torch.equal(state, tower(*inputs))
        assert torch.equal(tower(*inputs), tower(*inputs))
        _check_copy(tower, inputs)
    owners = [id(parameter) for stage in stages for parameter in stage.parameters()]
    assert len(owners) == len(set(owners)), "a parameter belongs to two stages"
    weight = torch.randn(tower.width)
    (tower(*inputs) @ weight).sum().backward()
    idle = [name for name, p in stages.named_parameters() if p.requires_grad and p.grad is None]
    assert not idle, idle
    tower.zero_grad()


def _check_copy(tower: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """A copy has weights of its own, in all its stages."""
    before, other = tower(*inputs), copy.deepcopy(tower)
    for parameter in other.parameters():
        parameter.zero_()
    assert torch.equal(tower(*inputs), before)
    assert not torch.equal(other(*inputs), before)


def _check_onnx(
    tower: nn.Module, traced: tuple[Tensor, ...], other: tuple[Tensor, ...], names: list[str], axes: dict
) -> None:
    import onnxruntime

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            tower, traced, buffer, input_names=names, output_names=["features"],
            dynamic_axes={**axes, "features": {0: "n"}}, opset_version=17, dynamo=False,
        )  # fmt: skip
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(buffer.getvalue(), options, providers=["CPUExecutionProvider"])
    for inputs in (traced, other):
        found = session.run(None, {name: x.numpy() for name, x in zip(names, inputs, strict=True)})[0]
        with torch.no_grad():
            np.testing.assert_allclose(found, tower(*inputs).numpy(), atol=1e-4, rtol=1e-3)


@pytest.fixture(scope="session")
def wordpiece() -> Callable[[Path], None]:
    """Saves a BERT tokenizer of a few words into a folder."""

    def save(folder: Path) -> None:
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

        tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer.save(str(folder / "tokenizer.json"))
        specials = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
        settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 20, **specials}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))

    return save
