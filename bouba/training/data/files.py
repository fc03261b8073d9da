"""What a pair path names: a file, a folder of shards, or a pattern."""

from __future__ import annotations

import os
from glob import glob, has_magic
from itertools import islice
from pathlib import Path

from bouba.errors import ManifestError
from bouba.media.patterns import MAX_NAMES, unfolded


def pair_files(path: str | Path) -> list[Path]:
    """The files, in order. `shards/{00000..00099}.tar` and `{a,b}.jsonl` are Bash's braces, each of which must be
    there; `*`, `?` and `[...]` take what there is; a folder stands for its .tar files, else its .parquet files."""
    text = os.fspath(path)
    if os.path.isdir(text):
        return _in_folder(Path(text))
    if os.path.lexists(text):  # a name that only looks like a pattern
        return [Path(text)]
    names = list(islice(unfolded(text), MAX_NAMES + 1))
    if len(names) > MAX_NAMES:
        raise ManifestError(f"{text}: names more than {MAX_NAMES:,} files.")
    files = [Path(found) for name in names for found in (sorted(glob(name)) if has_magic(name) else [name])]
    missing = [str(file) for file in files if not file.is_file()]
    if missing and len(files) > 1:
        more = ", ..." * (len(missing) > 3)
        raise ManifestError(
            f"{text}: {len(missing)} of its {len(files)} files are not there: {', '.join(missing[:3])}{more}."
        )
    if not files:
        raise ManifestError(f"{text}: no file has such a name.")
    return files


def _in_folder(folder: Path) -> list[Path]:
    for suffix in (".tar", ".parquet"):
        if found := sorted(f for f in folder.iterdir() if f.suffix.lower() == suffix and f.is_file()):
            # img2dataset writes 00000.parquet, the metadata, beside 00000.tar.
            return found
    raise ManifestError(f"{folder} is a folder without .tar or .parquet files. Name the file with the pairs.")
