"""Graphs that take any number and length, whatever the exporter needed for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from bouba.errors import TrainingError  # noqa: E402
from bouba.training.export import export_graph  # noqa: E402
from bouba.training.export import graph as graph_module  # noqa: E402

MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
EXAMPLES = {"input_ids": MASK.clone(), "attention_mask": MASK}


class Fused(torch.nn.Module):
    """torch's own encoder layer, whose Python fixes the length while it is traced."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = torch.nn.Embedding(20, 8)
        self.layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        x = self.layer(self.words(input_ids), src_key_padding_mask=attention_mask == 0)
        return (x * attention_mask.unsqueeze(-1)).sum(1)


def test_torchs_own_encoder_layer(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    module = Fused()
    export_graph(module, EXAMPLES, ["embedding"], tmp_path / "g.onnx")
    assert module.training
    ids, mask = torch.randint(0, 20, (3, 9)), torch.ones(3, 9, dtype=torch.int64)
    mask[1, 4:] = 0
    session = onnxruntime.InferenceSession(str(tmp_path / "g.onnx"))
    found = session.run(["embedding"], {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0]
    with torch.no_grad():
        assert np.allclose(found, module.eval()(ids, mask).numpy(), atol=1e-5)


def test_several_outputs(tmp_path: Path) -> None:
    class Two(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return pixels.float().mean((1, 2)), pixels.float().amax((1, 2))

    pixels = torch.arange(2 * 4 * 4 * 3).view(2, 4, 4, 3).to(torch.uint8)
    export_graph(Two(), {"pixels": pixels}, ["mean", "largest"], tmp_path / "g.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "g.onnx"))
    assert session.run(["largest"], {"pixels": pixels[:1].numpy()})[0].tolist() == [[45, 46, 47]]


def test_what_cannot_be_exported_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FixedLength(torch.nn.Module):
        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(input_ids.numpy() * 2.0) + attention_mask

    def refuse(*_: object) -> None:
        raise RuntimeError("no such operator\nand a long story")

    monkeypatch.setattr(graph_module, "_by_torch_export", refuse)
    with pytest.raises(TrainingError, match=r"^FixedLength cannot .*Then: RuntimeError: no such operator$"):
        export_graph(FixedLength(), EXAMPLES, ["embedding"], tmp_path / "g.onnx")
