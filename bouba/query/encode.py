"""A Query as one vector, and what was heard on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from bouba.errors import QueryError
from bouba.media import load_audio, load_image, load_text
from bouba.query.hearing import Listener, Moments
from bouba.ranking.compose import weighted_mean
from bouba.types import Hearing, Query

if TYPE_CHECKING:
    from bouba.encoders import Model
    from bouba.types import Vectors


Kind = Literal["text", "speech", "sound", "image"]  # what a calibration is for


@dataclass(frozen=True, slots=True)
class Encoded:
    """A query as one vector."""

    vector: Vectors  # [dim]
    kind: Kind  # of several parts the last in this list, because its scores are the highest
    words: int = 0  # of its text
    heard: Hearing | None = None
    moments: Moments | None = None
    notes: tuple[str, ...] = ()  # what the user should know of how it was taken


def encode_query(
    query: Query, model: Model, listener: Listener, *, concept: Encoded | None = None, fetch: bool = False
) -> Encoded:
    """The weighted mean of a query's text, picture and recording, and the concept that it names.

    Raises QueryError where nothing was asked or the weights say nothing, MediaError for a part that cannot be used,
    ModelMissing for a recording that needs a tower or a recogniser that is not there."""
    vectors: list[Vectors] = []
    weights: list[float] = []
    kind: Kind = "text"
    words, heard, moments = 0, None, None
    if query.text is not None:
        vectors.append(model.encode_text([load_text(query.text)])[0])
        weights.append(query.text_weight)
        words = len(query.text.split())
    if query.image is not None:
        picture = load_image(query.image, side=model.manifest.image.size, fetch=fetch)
        vectors.append(model.encode_image([picture.rgb])[0])
        weights.append(query.image_weight)
    if query.audio is not None:
        audio = load_audio(query.audio, fetch=fetch)
        listened = listener.listen(audio, model, query.audio_as, query.transcript)
        heard, moments = listened.hearing, listened.moments
        vectors.append(listened.vector)
        weights.append(query.audio_weight)
        kind = "speech" if heard.kind == "speech" else "sound"
        words = words or len(heard.transcript.split())
    if concept is not None:
        vectors.append(concept.vector)
        weights.append(query.concept_weight)
        words = words or concept.words
    if not vectors:
        raise QueryError("Nothing was asked: give a text, a picture, a recording, or several of them.")
    if query.image is not None or (concept is not None and concept.kind == "image"):
        kind = "image"
    notes = concept.notes if concept is not None else ()
    return Encoded(weighted_mean(np.stack(vectors), weights), kind, words, heard, moments, notes)
