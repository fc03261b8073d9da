from __future__ import annotations

import re
import tempfile
import warnings
from pathlib import Path

import pytest
from bad_inputs import write_corpus

from bouba.errors import BoubaError, MediaError
from bouba.media import load_image

Corpus = tuple[Path, dict[str, type[BoubaError]]]
PYTHON_JARGON = re.compile(r"[A-Z]\w+(Error|Exception|Warning)\b|Traceback|0x[0-9a-f]{6}|unpack_from|_io\.|driver")


def _names() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        return sorted(write_corpus(Path(folder)))


NAMES = _names()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("bad")
    return folder, write_corpus(folder)


@pytest.mark.parametrize("side", [None, 260])
@pytest.mark.parametrize("name", NAMES)
def test_bad_file_ends_in_its_own_error(corpus: Corpus, name: str, side: int | None) -> None:
    folder, expected = corpus
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(MediaError) as caught:
            load_image(folder / name, side=side)
    assert caught.type is expected[name]
    message = str(caught.value).replace(str(folder), "")
    assert name in message
    assert message.endswith(".")
    assert not PYTHON_JARGON.search(message)


def test_corpus_has_every_error_of_a_file() -> None:
    assert len(NAMES) >= 45
