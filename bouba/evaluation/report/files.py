"""The report's files, each whole or not there at all."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bouba.errors import StoreUnavailable
from bouba.evaluation.report.html import page
from bouba.evaluation.results import Evaluation

METRICS = "metrics.json"
REPORT = "report.html"


def write_report(evaluation: Evaluation, folder: Path, others: Sequence[Evaluation] = ()) -> None:
    """Write `metrics.json` and a self-contained `report.html` into `folder`, which is made if need be.

    `others` are evaluations of other models on the same data; the page shows their figures and curves beside
    this one's. A value that is not finite is null in `metrics.json`. Raises StoreUnavailable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unavailable(folder, error) from error
    metrics = json.dumps(_finite(evaluation.to_dict()), indent=2, ensure_ascii=False, allow_nan=False)
    _write(folder / METRICS, metrics + "\n")
    _write(folder / REPORT, page(evaluation, others))


def _write(path: Path, text: str) -> None:
    data = text.encode("utf-8", "backslashreplace")  # a file name can hold bytes that are not UTF-8
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise _unavailable(path, error) from error


def _unavailable(path: Path, error: OSError) -> StoreUnavailable:
    return StoreUnavailable(
        f"{path} cannot be written: {error.strerror or error}. Check permission and free space, or name another folder."
    )


def _finite(value: Any) -> Any:
    match value:
        case dict():
            return {key: _finite(entry) for key, entry in value.items()}
        case list() | tuple():
            return [_finite(entry) for entry in value]
        case float() if not math.isfinite(value):
            return None  # JSON has neither NaN nor infinity
    return value
