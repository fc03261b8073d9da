"""The JSON of a shop's routes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from bouba.server.intake import FORM, JSON
from bouba.server.schemas import Asked, Media, Told, Weight

MOST_KEY = 200

Short = Annotated[str, StringConstraints(max_length=200)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=MOST_KEY)]
Amount = Annotated[float, Field(ge=0, le=1e9)]
Day = Annotated[str, StringConstraints(pattern=r"^(\d{4}-\d{2}-\d{2})?$")]


class ShopFilter(Asked):
    """A condition that products are to fit; all of them on one and the same variant."""

    field: Annotated[str, StringConstraints(min_length=1, max_length=60)] = Field(
        description="price, discount, stock, sale, new, or a facet: category, brand, colour, size, gender, ..."
    )
    op: Literal["is", "not", "<", "<=", ">", ">=", "between"] = "is"
    value: (
        Annotated[list[Key], Field(min_length=1, max_length=100)]
        | Annotated[list[Amount], Field(min_length=2, max_length=2)]
        | Amount
    ) = Field(description="Texts, any of them; a number; two numbers for between.")


class ShopSearchBody(Asked):
    """What is looked for. Prices, colours, sizes and the like in the sentence become filters, unless `exact`."""

    text: Annotated[str, StringConstraints(max_length=1000)] = Field("", examples=["red dress under 50"])
    image: Media | None = None
    filters: list[ShopFilter] = Field([], max_length=30)
    limit: int = Field(24, ge=1, le=100)
    offset: int = Field(0, ge=0, le=1000)
    exact: bool = Field(False, description="The words as they are: no filters read, nothing corrected.")
    facets: bool = Field(True, description="With what can be filtered by, and counts.")
    relax: bool = Field(True, description="Let go of filters where no product fits all of them.")
    text_weight: Weight = 1.0
    image_weight: Weight = 1.0


class ShopRuleBody(Asked):
    """A rule: what is shown first, last, at a place or not at all."""

    kind: Literal["boost", "bury", "pin", "hide"]
    products: list[Key] = Field([], max_length=100, examples=[["dress-17"]])
    field: Short = Field("", description="Or all products with a value: category, brand, colour, gender.")
    value: Short = ""
    words: Short = Field("", description="Only for questions that have all of these words.")
    category: Short = Field("", description="Only for questions that ask for this category.")
    factor: float = Field(2.0, gt=1, le=100)
    place: int = Field(1, ge=1, le=50)
    starts: Day = ""
    ends: Day = ""
    note: Short = ""


class ShopPicture(Told):
    id: str
    thumbnail: str = Field(description="Relative to the server's root.")
    image: str


class ShopVariant(Told):
    id: str
    options: dict[str, str]
    price: float | None
    was: float | None = Field(description="Before a reduction.")
    stock: int | None
    available: bool
    item: str | None = Field(description="The picture that shows it.")
    fits: bool = Field(description="Whether it fits the filters.")


class ShopProduct(Told):
    id: str
    title: str
    brand: str
    category: list[str]
    link: str
    item: str | None = Field(description="The picture that matched.")
    pictures: list[ShopPicture]
    price: dict[str, float] | None
    in_stock: bool
    variants: list[ShopVariant]
    why: list[str]
    score: float | None = None
    probability: float | None = None


class ShopProductAnswer(ShopProduct):
    description: str
    gender: str
    condition: str
    added: str
    more: dict[str, str]
    related: list[str]


class ShopAnswer(Told):
    found: bool
    total: int = Field(description="Products that fit the filters.")
    matches: int = Field(description="How many, from the first on, are likely asked for.")
    words: str
    looked_for: str
    order: str
    currency: str
    chips: list[dict[str, Any]] = Field(
        description="Filters read from the sentence, each with the sentence without it."
    )
    filters: list[dict[str, Any]]
    relaxed: list[dict[str, Any]] = Field(description="Filters that were let go of.")
    notes: list[str]
    rules: list[int]
    facets: list[dict[str, Any]]
    gallery: str
    took_ms: float
    products: list[ShopProduct]


class ShopProducts(Told):
    products: list[ShopProduct]


class ShopInfo(Told):
    gallery: str
    products: int
    variants: int
    pictures: int
    without_picture: int
    currency: str
    fields: dict[str, int]
    rules: int


class ShopRule(ShopRuleBody):
    id: int
    used: int = 0


class ShopRules(Told):
    rules: list[dict[str, Any]]


class ShopRuleLog(Told):
    log: list[dict[str, Any]]


def shop_body(kind: type[BaseModel]) -> dict[str, Any]:
    """The `openapi_extra` of a route that takes JSON of a kind, or a form with that JSON in the field `body`."""
    schema = _inlined(kind.model_json_schema(), {})
    form = {
        "type": "object",
        "properties": {"body": {"type": "string", "contentMediaType": JSON}},
        "required": ["body"],
        "additionalProperties": {"type": "string", "format": "binary"},
    }
    return {"requestBody": {"required": True, "content": {JSON: {"schema": schema}, FORM: {"schema": form}}}}


def _inlined(schema: Any, known: dict[str, Any]) -> Any:
    """With each definition where it is used: these models are no parts of themselves."""
    if isinstance(schema, list):
        return [_inlined(one, known) for one in schema]
    if not isinstance(schema, dict):
        return schema
    known = schema.get("$defs", known)
    if name := schema.get("$ref", ""):
        return _inlined(known[name.rpartition("/")[2]], known)
    return {key: _inlined(value, known) for key, value in schema.items() if key != "$defs"}
