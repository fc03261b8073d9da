"""Where a tower's code and weights come from: packages, hubs, local files; and what to say when they do not."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bouba.errors import BoubaError, ModelMissing, TrainingError
from bouba.training.towers.base import LICENCE_UNKNOWN, Origin

HUB = "https://huggingface.co"


def require(package: str, extra: str) -> Any:
    """Import a package of one of bouba's extras. Raises TrainingError where it is not installed."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise TrainingError(f"{error.name} is not installed: pip install 'bouba[{extra}]'.") from None


@contextmanager
def hub_or_missing(name: str, local: str) -> Iterator[None]:
    """What libraries raise for names they do not know and hubs they cannot reach becomes ModelMissing."""
    try:
        yield
    except BoubaError:
        raise
    except ImportError as error:  # a tokenizer of sentencepiece's, for one
        raise TrainingError(f"{name} needs a package that is not installed: {error}") from error
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelMissing(
            f"{name} cannot be opened: {reason or type(error).__name__}. Check the name and the connection, or fetch "
            f"it on another machine and name the local copy: {local}."
        ) from error


def local_weights(path: str) -> str:
    """A checkpoint's path. Raises ModelMissing where there is no such file."""
    file = Path(path).expanduser()
    if not file.is_file():
        raise ModelMissing(f"{file} is not a file: after '//' comes the path of a checkpoint.")
    return str(file)


def origin_on_hub(repository: str, licence: str = "") -> Origin:
    """What a repository's model card says of its licence, or "unknown"; `repository` may be a local folder."""
    if not repository:
        return Origin(licence or LICENCE_UNKNOWN, "")
    folder = Path(repository).expanduser()
    url = "" if folder.is_dir() else f"{HUB}/{repository.strip('/')}"
    return Origin(licence or _licence_on_card(folder, repository.strip("/")), url)


def _licence_on_card(folder: Path, repository: str) -> str:
    if folder.is_dir() and not (folder / "README.md").is_file():
        return LICENCE_UNKNOWN
    from huggingface_hub import ModelCard

    try:
        card = ModelCard.load(str(folder / "README.md") if folder.is_dir() else repository)
    except Exception:  # any failure to read a card, of many kinds, means the same: nobody knows
        return LICENCE_UNKNOWN
    data = card.data.to_dict()
    return str(data.get("license_name") or data.get("license") or LICENCE_UNKNOWN)
