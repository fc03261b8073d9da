"""Titles of MedPix val cases, which are diagnoses, asked of an archive that has pictures and findings, no titles."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

import bouba
from benchmarks.medical.retrieval import rows_of
from bouba.apps.medical import Archive, Wish
from bouba.evaluation.results import Interval
from bouba.evaluation.uncertainty import bootstrap_interval

WAYS = {"pictures alone": ("image",), "reports alone": ("report",), "both": ("image", "report")}
K = (1, 5, 10)


def linking(medpix: Path, model: str | None) -> list[tuple[str, Mapping[str, Interval | str]]]:
    rows = rows_of(medpix, "val")
    return [(way, _found(medpix, rows, parts, model)) for way, parts in WAYS.items()]


def _found(
    medpix: Path, rows: list[dict[str, str]], parts: tuple[str, ...], model: str | None
) -> Mapping[str, Interval | str]:
    titles = {row["case"]: row["title"] for row in rows}
    with tempfile.TemporaryDirectory() as folder, bouba.open(Path(folder) / "cases.bouba", model) as gallery:
        archive = Archive(gallery)
        manifest = Path(folder) / "cases.jsonl"
        lines = (json.dumps(_line(medpix, row, parts)) for row in rows)
        manifest.write_text("\n".join(dict.fromkeys(lines)), encoding="utf-8")
        archive.import_(manifest, Wish(writing="report"))
        names = {case: archive.pseudonyms.name("study", case) for case in titles}
        ranks = np.array([_rank(archive, title, names[case]) for case, title in titles.items()])
    return {f"hit@{k}": bootstrap_interval((ranks <= k).astype(np.float64)) for k in K}


def _line(medpix: Path, row: Mapping[str, str], parts: tuple[str, ...]) -> dict[str, str]:
    image = {"image": str(medpix / row["image"])} if "image" in parts else {}
    return {**image, "study": row["case"], **({"findings": row["findings"]} if "report" in parts else {})}


def _rank(archive: Archive, title: str, study: str) -> int:
    """Of the study that the title is of; far behind where it is not among the answers."""
    hits = archive.search(title, k=max(K)).hits
    return next((hit.rank for hit in hits if hit.study == study), 10**6)
