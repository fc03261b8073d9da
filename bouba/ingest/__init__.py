"""Folders, files and manifests into a store: walk, hash, skip, decode ahead, encode, commit, report."""

from bouba.ingest.pipeline import ingest
from bouba.ingest.report import Failure, Report
from bouba.ingest.sources import Entry, expand, listed

__all__ = ["Entry", "Failure", "Report", "expand", "ingest", "listed"]
