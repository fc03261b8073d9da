from __future__ import annotations

import pytest

from bouba.errors import TrainingError
from bouba.training.towers import known_towers, open_dual, open_image_tower, open_text_tower
from bouba.training.towers.sources import hub_or_missing, origin_on_hub, require


def test_every_form_is_listed():
    assert known_towers() == [
        "efficientnet-lite0", "efficientnet-lite2", "minilm-l6", "timm:NAME", "hf:NAME_OR_FOLDER",
        "openclip:ARCH/TAG or openclip:ARCH//CHECKPOINT",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["", "resnet50", "timm", "timm:", "minilm-l6:x", "torch:resnet50"])
def test_an_unknown_name_lists_the_forms(name):
    with pytest.raises(TrainingError, match=r"is no tower\. Known are: efficientnet-lite0.*timm:NAME.*openclip:ARCH"):
        open_image_tower(name)


def test_a_tower_of_the_other_kind():
    with pytest.raises(TrainingError, match="'minilm-l6' is not a network for pictures"):
        open_image_tower("minilm-l6")
    with pytest.raises(TrainingError, match="'timm:x' is not a network for text"):
        open_text_tower("timm:x")
    with pytest.raises(TrainingError, match="is not a network for both pictures and text"):
        open_dual("efficientnet-lite2")


def test_a_missing_package_names_the_extra():
    with pytest.raises(TrainingError, match=r"no_such_package is not installed: pip install 'bouba\[train\]'"):
        require("no_such_package", "train")


def test_a_package_that_a_library_lacks_is_named():
    said = "hf:x needs a package that is not installed: sentencepiece"
    with pytest.raises(TrainingError, match=said), hub_or_missing("hf:x", "hf:folder"):
        raise ImportError("sentencepiece")


def test_licences(tmp_path):
    assert origin_on_hub("").licence == "unknown"
    assert origin_on_hub(str(tmp_path)).licence == "unknown"
    card = "---\nlicense: other\nlicense_name: apple-amlr\n---\n"
    (tmp_path / "README.md").write_text(card)
    assert origin_on_hub(str(tmp_path)).licence == "apple-amlr"
    known = origin_on_hub("org/name", licence="mit")
    assert (known.licence, known.url) == ("mit", "https://huggingface.co/org/name")
    assert origin_on_hub("org/unreachable").licence == "unknown"
