"""The JSON that goes in and comes out, as OpenAPI tells it. What goes in is checked strictly: a key that is not known
is refused, so that a slip of the pen never widens a question."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

ITEM_ID = r"^[0-9a-f]{32}$"
EXAMPLE_ID = "9f86d081884c7d659a2feaa0c55ad015"
MOST_K = 500
MOST_IDS = 1000

ItemId = Annotated[str, StringConstraints(pattern=ITEM_ID), Field(examples=[EXAMPLE_ID])]
Text = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Where = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
Address = Annotated[str, StringConstraints(pattern=r"^[hH][tT][tT][pP][sS]?://", max_length=8192)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=60)]
Weight = Annotated[float, Field(ge=-1000, le=1000, description="Beside the other parts; negative: less of this.")]
Ids = Annotated[list[ItemId], Field(max_length=100)]


class Asked(BaseModel):
    """What a client sends."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, populate_by_name=True)


class Media(Asked):
    """A picture or a recording; exactly one of the three."""

    base64: str | None = Field(
        None, description="The bytes of the file.", json_schema_extra={"contentEncoding": "base64"}
    )
    part: str | None = Field(None, description="The name of a file field of the same multipart form.")
    url: Address | None = Field(None, description="An address; only where the server was started with --fetch.")

    @model_validator(mode="after")
    def _one(self) -> Media:
        if sum(source is not None for source in (self.base64, self.part, self.url)) != 1:
            raise ValueError("give exactly one of base64, part and url")
        return self


class Question(Asked):
    """What is looked for: words, a picture, a recording, a concept, examples, or several of them, each with its weight;
    or, alone, one of `all`, `any` and `not`. At most 8 deep, with at most 32 parts."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"text": "a dog on the beach"},
                {"text": "in green leather", "image": {"part": "sofa"}, "image_weight": 2},
                {"all": [{"text": "beach"}, {"not": {"text": "people"}}]},
                {"text": "a green sofa", "like": [EXAMPLE_ID]},
            ]
        }
    )

    text: Text | None = None
    text_weight: Weight = 1.0
    image: Media | None = None
    image_weight: Weight = 1.0
    audio: Media | None = None
    audio_weight: Weight = 1.0
    audio_as: Literal["auto", "speech", "sound"] = "auto"
    transcript: Text | None = Field(None, description="What is said in the recording, where it was misheard.")
    concept: Name | None = Field(None, description="The name of a saved one.")
    concept_weight: Weight = 1.0
    like: Ids = Field([], description="Items that hits are to be like.")
    unlike: Ids = []
    all: list[Question] | None = Field(None, min_length=1, max_length=32)
    any: list[Question] | None = Field(None, min_length=1, max_length=32)
    weights: list[Weight] | None = Field(None, description="Of the parts of `all` or `any`.", max_length=32)
    not_: Question | None = Field(None, alias="not")

    @model_validator(mode="after")
    def _one_kind(self) -> Question:
        several = [name for name in ("all", "any", "not_") if getattr(self, name) is not None]
        beside = self.model_fields_set - set(several) - ({"weights"} if several in (["all"], ["any"]) else set())
        if several and (len(several) > 1 or beside):
            raise ValueError(f"{several[0].rstrip('_')!r} stands alone: put the rest into parts of it")
        if self.weights is not None and not several:
            raise ValueError("weights are those of the parts of 'all' or 'any'")
        return self


class SearchBody(Asked):
    """A question, and how it is to be answered."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"query": {"text": "a dog on the beach"}, "k": 24, "where": "width > 1000"}]}
    )

    query: Question
    k: int = Field(24, ge=1, le=MOST_K, description="How many hits.")
    where: Where | None = Field(None, description="A filter, such as `price < 50 and brand in ('A', 'B')`.")
    min_probability: float | None = Field(None, ge=0, le=1, description="Only hits that are a match this likely.")
    raw: bool = Field(False, description="By cosine alone: no probability, nothing corrected or folded.")
    exact: bool = Field(False, description="The text as it is: nothing corrected, no negation read.")
    diverse: bool = Field(False, description="Hits that are unlike, chosen among three times as many.")


class ExplainBody(Asked):
    """Which item, and what was looked for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"query": {"text": "a dog"}, "id": EXAMPLE_ID}]})

    query: Question
    id: ItemId


class FeedbackBody(SearchBody):
    """A question, and which of its hits were good."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"query": {"text": "a dog"}, "liked": [EXAMPLE_ID]}]})

    liked: Ids = []
    disliked: Ids = []
    save_as: Name | None = Field(None, description="Keep the question's text and the examples as a concept.")


class DeleteBody(Asked):
    ids: list[ItemId] = Field(min_length=1, max_length=MOST_IDS)


class AddBody(Asked):
    """Pictures elsewhere; only where the server was started with --fetch."""

    urls: list[Address] = Field(min_length=1, max_length=MOST_IDS)
    attributes: dict[str, Any] = {}


class Told(BaseModel):
    """What the server answers. Keys may be added within a major version."""


class ItemRecord(Told):
    id: str
    path: str = Field(description="Where the file lies; its name alone where that is nobody's business.")
    width: int
    height: int
    bytes: int
    media_type: str
    taken: str | None = Field(description="ISO 8601, without offset.")
    phash: str
    attributes: dict[str, str | float | bool | list[str]]
    thumbnail: str = Field(description="Relative to the server's root.")
    image: str


class PartRecord(Told):
    asked: str
    probability: float
    wanted: bool


class CopyRecord(Told):
    id: str
    path: str
    thumbnail: str
    image: str


class HitRecord(ItemRecord):
    rank: int
    score: float = Field(description="The cosine.")
    probability: float | None = Field(None, description="That it is one of those asked for.")
    second: float | None = Field(None, description="Of the recording, where the window begins that fits best.")
    parts: list[PartRecord] = []
    duplicates: list[CopyRecord] = []


class Took(Told):
    total: float
    waiting: float
    encoding: float
    searching: float


class SearchAnswer(Told):
    found: bool = Field(description="Whether anything matches.")
    matches: int = Field(description="How many of the hits, from the first, are likely asked for.")
    confidence: float | None = Field(None, description="That the gallery holds what was asked.")
    threshold: float
    cutoff: float
    heard: dict[str, Any] | None = Field(None, description="What was made of the recording.")
    notes: list[str] = []
    gallery: str
    took_ms: Took
    saved: str | None = Field(None, description="The concept that feedback was saved as.")
    hits: list[HitRecord]


class ItemsAnswer(Told):
    items: list[ItemRecord]
    total: int


class FailedFile(Told):
    name: str
    error: str


class AddAnswer(Told):
    added: int
    known: int = Field(description="In the gallery already.")
    failed: list[FailedFile]
    ids: list[str] = Field(description="Of those that are in the gallery now.")


class RemovedAnswer(Told):
    removed: int


class ConceptRecord(Told):
    name: str
    text: str | None
    like: list[str]
    unlike: list[str]
    saved: str


class ConceptsAnswer(Told):
    concepts: list[ConceptRecord]


class FacetValue(Told):
    value: str | bool
    count: int


class FacetRecord(Told):
    field: str
    type: Literal["text", "number", "date", "boolean", "list of text"]
    values: list[FacetValue] | None = Field(None, description="The commonest, at most 50.")
    more: bool | None = None
    min: float | str | None = None
    max: float | str | None = None


class FacetsAnswer(Told):
    total: int
    sampled: bool = Field(description="Whether the counts are estimates.")
    facets: list[FacetRecord]


class GalleryRecord(Told):
    name: str
    items: int
    hears: bool
    explains: bool
    model: str
    writable: bool
    attributes: dict[str, str]
    apps: list[str]


class GalleriesAnswer(Told):
    galleries: list[GalleryRecord]
    key_needed: bool
    fetch: bool


class StatusAnswer(Told):
    status: Literal["alive", "ready"]


class VersionAnswer(Told):
    name: Literal["bouba"]
    version: str


class Fault(Told):
    at: str
    message: str


class Problem(Told):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(description="The name of an error class, such as WhereError.")
    request_id: str
    errors: list[Fault] = []
