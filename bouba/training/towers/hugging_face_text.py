"""Text networks of transformers (BERT, DistilBERT, MPNet, RoBERTa, E5...) as stages, and how they are pooled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from bouba.errors import TrainingError
from bouba.training.towers.split import child_of, part_of
from bouba.training.towers.text_stages import Pool, State, TextBlock, padding_bias

BLOCKS = ("encoder.layer", "transformer.layer", "encoder.layers")
EXACT = 1e-5


def text_network_stages(net: Any) -> list[nn.Module]:
    """From (input_ids, attention_mask) to (tokens [n, t, width], mask, ...), without the pooling.

    Embeddings, then each block, where that gives what the network gives; else the network as one stage."""
    if getattr(net, "pooler", None) is not None:
        net.pooler = None  # tokens are pooled here: it would hang in the tower without a gradient
    for path in BLOCKS:
        blocks = child_of(net, path)
        if isinstance(blocks, nn.ModuleList) and hasattr(net, "embeddings"):
            stages = [Start(net, path), *(TextBlock(block, "attention_mask") for block in blocks)]
            if _agree(stages, net):
                return stages
    return [WholeText(net)]


class Start(nn.Module):
    """Ids and mask [n, t] -> (x [n, t, width], mask, what attention adds to its scores)."""

    def __init__(self, net: Any, path: str) -> None:
        super().__init__()
        self.embeddings = net.embeddings
        self.places = None
        encoder = child_of(net, path.split(".")[0])
        if encoder is not None and hasattr(encoder, "compute_position_bias"):  # MPNet: one for all its layers
            self.places = part_of(encoder, [name for name in encoder._modules if name != path.split(".")[1]], [])

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> State:
        x = self.embeddings(input_ids)
        bias = padding_bias(attention_mask, x.dtype)
        if self.places is not None:
            bias = bias + cast(Any, self.places).compute_position_bias(x)
        return x, attention_mask, bias


class WholeText(nn.Module):
    """A text network that is one stage."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> State:
        output: Any = self.net(input_ids=input_ids, attention_mask=attention_mask)
        return output.last_hidden_state, attention_mask


def _agree(stages: list[nn.Module], net: Any) -> bool:
    ids = torch.arange(12).view(2, 6) % net.config.vocab_size
    mask = torch.tensor([[1] * 6, [1] * 4 + [0] * 2])
    state: State = (ids, mask)
    with torch.no_grad():
        expected = net(input_ids=ids, attention_mask=mask).last_hidden_state
        try:
            for stage in stages:
                state = stage(*state)
        except (AttributeError, RuntimeError, TypeError, ValueError, IndexError):
            return False
    return torch.allclose(state[0][mask > 0], expected[mask > 0], atol=EXACT)


def pooling_of(name: str) -> Pool:
    """What `modules.json` of sentence-transformers says, else the mean. Raises TrainingError for other poolings."""
    kinds = {str(module["type"]).rsplit(".", 1)[-1]: module for module in read_json(name, "modules.json") or []}
    if "Dense" in kinds:
        raise TrainingError(f"hf:{name} has a Dense layer behind its pooling, which bouba does not read.")
    settings = read_json(name, f"{kinds['Pooling']['path']}/config.json") if "Pooling" in kinds else {}
    modes = {key.removeprefix("pooling_mode_") for key, on in settings.items() if on is True and "mode_" in key}
    modes |= {str(settings["pooling_mode"])} if "pooling_mode" in settings else set()
    how = {frozenset(): "mean", frozenset({"mean_tokens"}): "mean", frozenset({"mean"}): "mean"}
    how |= {frozenset({"cls_token"}): "cls", frozenset({"cls"}): "cls"}
    if frozenset(modes) not in how:
        raise TrainingError(f"hf:{name} pools by {', '.join(sorted(modes))}, and bouba by the mean or the first token.")
    return Pool(cast(Any, how[frozenset(modes)]), unit_length="Normalize" in kinds)


def read_json(name: str, file: str) -> Any:
    """One JSON file of a repository or a local folder, or None where it has none."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        path = folder / file
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    from huggingface_hub import hf_hub_download

    try:
        return json.loads(Path(hf_hub_download(name, file)).read_text(encoding="utf-8"))
    except OSError:  # the hub's own errors are kinds of it; the network itself was found before this
        return None
