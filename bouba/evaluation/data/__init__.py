"""Pictures, queries and which belongs to which: any file format that retrieval is measured on, as an EvaluationSet."""

from bouba.evaluation.data.prompts import TEMPLATES, fill
from bouba.evaluation.data.read import read_set
from bouba.evaluation.data.recordings import Recordings
from bouba.evaluation.data.sets import EvaluationSet, LanguageTexts
from bouba.evaluation.data.trec import Judgements, judgements_of, read_qrels, read_run, write_qrels, write_run

__all__ = [
    "TEMPLATES",
    "EvaluationSet",
    "Judgements",
    "LanguageTexts",
    "Recordings",
    "fill",
    "judgements_of",
    "read_qrels",
    "read_run",
    "read_set",
    "write_qrels",
    "write_run",
]
