"""An evaluation as people read it: a table in the terminal, `metrics.json`, and one HTML page with pictures."""

from __future__ import annotations

from bouba.evaluation.report.files import write_report
from bouba.evaluation.report.table import table

__all__ = ["table", "write_report"]
