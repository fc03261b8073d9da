"""Sentences with a finding and its status: those that the triggers were tuned on, and those that were held out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bouba.apps.medical.negation import status_of
from bouba.evaluation.results import Interval
from bouba.evaluation.uncertainty import bootstrap_interval

SETS = {"held out": "held_out.tsv", "tuned on": "dev.tsv"}


def sentences(name: str) -> list[tuple[str, str, str]]:
    """Status, finding, sentence."""
    lines = (Path(__file__).parent / SETS[name]).read_text(encoding="utf-8").splitlines()
    return [(status, finding, text) for status, finding, text in (line.split("\t") for line in lines)]


def negation() -> list[tuple[str, Mapping[str, Interval | str]]]:
    return [(name, _right(name)) for name in SETS]


def _right(name: str) -> Mapping[str, Interval | str]:
    right = np.array([status_of(text, finding) == status for status, finding, text in sentences(name)], np.float64)
    return {"sentences": str(len(right)), "right": bootstrap_interval(right)}
