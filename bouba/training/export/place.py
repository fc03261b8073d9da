"""A model folder appears whole or not at all, and only where nothing else is lost."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bouba.encoders.manifest import read_manifest
from bouba.errors import ModelError, TrainingError

IMAGE, TEXT, TOKENIZER = "image.onnx", "text.onnx", "tokenizer.json"
SOUND, SOUND_CLASSES = "sound.onnx", "sound_classes.json"
CALIBRATION, BANK, BACKGROUND = "calibration.json", "bank.npy", "background.npy"
OWN_FILES = {
    "model.json", "metrics.json", "README.md", IMAGE, TEXT, TOKENIZER, SOUND, SOUND_CLASSES, CALIBRATION, BANK,
    BACKGROUND,
}  # fmt: skip
ABANDONED_S = 86_400  # a half-written folder this old belongs to a process that was killed


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder beside `target` to write into; it takes the target's place when the block ends without an error.

    A model folder that is there already gives way, anything else is refused with TrainingError, as is a disk that
    cannot be written. A process that is killed leaves a hidden folder, which a later export beside it removes.
    """
    target = target.expanduser().absolute()
    refuse_strangers(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        with _beside(target, "partial") as partial:
            partial.mkdir()
            yield partial
            _take_place(partial, target)
    except OSError as error:
        raise TrainingError(
            f"{target} cannot be written: {error.strerror or error}. Nothing was left there."
        ) from error


def refuse_strangers(target: Path) -> None:
    if not target.exists() and not target.is_symlink():
        return
    there = {path.name for path in target.iterdir()} if target.is_dir() else {target.name}
    if target.is_dir() and not target.is_symlink() and not there:
        return
    try:
        known = OWN_FILES | set(read_manifest(target).sha256)
    except ModelError:
        known = set()
    if target.is_symlink() or not known or there - known:
        strange = "" if not known or not there - known else f" (it holds {min(there - known)})"
        raise TrainingError(
            f"{target} is there and is not a model folder alone{strange}. It was left as it is; choose another place."
        )


def _sweep(target: Path) -> None:
    for old in target.parent.glob(f".{target.name}.partial-*"):
        if time.time() - old.stat().st_mtime > ABANDONED_S:
            shutil.rmtree(old, ignore_errors=True)


def _take_place(partial: Path, target: Path) -> None:
    """No file system swaps two folders in one step everywhere; between the two renames the old one has another name."""
    if not target.exists():
        partial.rename(target)
        return
    with _beside(target, "old") as old:
        target.rename(old)
        try:
            partial.rename(target)
        except OSError:
            old.rename(target)
            raise


@contextmanager
def _beside(target: Path, what: str) -> Iterator[Path]:
    """A path on the target's own disk for a folder of its name; what lies there at the end is removed."""
    holder = Path(tempfile.mkdtemp(prefix=f".{target.name}.{what}-", dir=target.parent))
    try:
        yield holder / target.name
    finally:
        shutil.rmtree(holder, ignore_errors=True)
