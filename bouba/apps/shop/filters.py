"""What products are filtered by, in Python, in SQL over variants, and in the language of the gallery over pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from bouba.apps.shop.text import fold
from bouba.errors import QueryError

Op = Literal["is", "not", "<", "<=", ">", ">=", "between"]
Value = tuple[str, ...] | float | tuple[float, float]

NUMBERS = ("price", "discount")  # discount: per cent off
FLAGS = ("stock", "sale", "new")
NEW_DAYS = 30
MOST_VALUES = 100
# Of what a sentence or a facet asks, what is let go of first where nothing has all of it.
RELAXED = ("new", "discount", "sale", "condition", "size", "stock", "price", "brand", "colour", "gender", "category")
# Fields whose values hold what is named by their last word: a navy blue is a blue, casual shoes are shoes.
WITH_KINDS = ("category", "colour")
TOLD = ("category", "colour", "size", "brand", "gender")  # that pictures have as attributes too
MOST_TOLD = 20  # values in a condition on pictures
Words = tuple[str, ...]
_COMPARED = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition. `value` is texts for `is` and `not` (any of them), a number, or a pair of numbers; the flags
    `stock`, `sale` and `new` have ("yes",) or ("no",)."""

    field: str
    op: Op
    value: Value
    keys: Words = ()  # the catalogue's values that are meant, folded; by default those of `value` themselves

    def __post_init__(self) -> None:
        """Raises QueryError."""
        if self.op not in get_args(Op):
            raise QueryError(f"{self.op!r:.40} is no comparison; there are: {', '.join(get_args(Op))}.")
        if (self.field in NUMBERS) != (self.op not in ("is", "not")):
            raise QueryError(f"{self.field!r:.60} cannot be compared by {self.op!r}: {self._help()}.")
        if self.op in ("is", "not") and not (_is_texts(self.value) and self.value):
            raise QueryError(f"{self.field!r:.60} {self.op}: give 1 to {MOST_VALUES} texts.")
        if self.field in FLAGS and self.value not in (("yes",), ("no",)):
            raise QueryError(f"{self.field} is 'yes' or 'no', not {str(self.value)[:60]}.")
        if self.field in NUMBERS and not _is_number(self.value, pair=self.op == "between"):
            raise QueryError(f"{self.field} {self.op} takes {'two numbers' if self.op == 'between' else 'a number'}.")

    def _help(self) -> str:
        return "price and discount take <, <=, >, >= and between" if self.field in NUMBERS else "use is or not"

    @property
    def texts(self) -> Words:
        return tuple(str(one) for one in self.value) if isinstance(self.value, tuple) else ()

    @property
    def sought(self) -> Words:
        return self.keys or tuple(fold(text) for text in self.texts)

    def to_dict(self) -> dict[str, Any]:
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return {"field": self.field, "op": self.op, "value": value, "label": self.label()}

    def label(self, currency: str = "") -> str:
        """As it is said to the user."""
        sign = f" {currency}" if currency and self.field == "price" else "%" if self.field == "discount" else ""
        if isinstance(self.value, float):
            return f"{self.field} {self.op} {self.value:g}{sign}"
        if self.op == "between":
            return f"{self.field} {self.value[0]:g} to {self.value[1]:g}{sign}"
        if self.field in FLAGS:
            yes = (self.value == ("yes",)) == (self.op == "is")
            return {
                "stock": ("out of stock", "in stock"),
                "sale": ("not on sale", "on sale"),
                "new": ("not new", "new"),
            }[self.field][yes]
        return f"{self.field} {'not ' if self.op == 'not' else ''}{' or '.join(self.texts)}"

    def condition(self) -> tuple[str, list[Any]]:
        """SQL on a variant `v` of a product `p`, with its parameters."""
        if self.field == "price":
            return self._compared("v.price")
        if self.field == "discount":
            return self._compared("round((1 - v.price / nullif(v.was, 0)) * 100, 2)")
        sought = list(self.sought)
        marks = ", ".join("?" * len(sought))
        if self.field == "gender":  # what is for all is for each
            sought, marks = [*sought, "unisex"] if self.op == "is" else sought, marks + ", ?" * (self.op == "is")
        holds = (_FLAG_SQL[self.field], []) if self.field in FLAGS else (
            f"EXISTS (SELECT 1 FROM facet f WHERE f.variant = v.id AND f.field = ? AND f.value IN ({marks}))",
            [self.field, *sought],
        )  # fmt: skip
        parameters: list[Any] = [_new_since()] if self.field == "new" else holds[1]
        negated = (self.op == "not") != (self.field in FLAGS and self.value == ("no",))
        return (f"NOT ({holds[0]})" if negated else holds[0]), parameters

    def _compared(self, what: str) -> tuple[str, list[Any]]:
        if isinstance(self.value, tuple):
            return f"{what} BETWEEN ? AND ?", list(self.value)
        return f"{what} {_COMPARED[self.op]} ?", [self.value]


_FLAG_SQL = {"stock": "v.available", "sale": "coalesce(v.was > v.price, 0)", "new": "p.added >= ?"}


def together(filters: Iterable[Filter]) -> tuple[str, list[Any]]:
    """All of them, as SQL on one and the same variant."""
    parts = [one.condition() for one in filters]
    return " AND ".join(f"({sql})" for sql, _ in parts) or "1", [value for _, values in parts for value in values]


def of_dict(record: dict[str, Any]) -> Filter:
    """From JSON. Raises QueryError."""
    value = record.get("value")
    if isinstance(value, list):
        numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in value)
        value = tuple(float(one) if numbers else one for one in value)
    elif isinstance(value, bool):
        value = ("yes" if value else "no",)
    elif isinstance(value, int | float):
        value = float(value)
    elif isinstance(value, str):
        value = (value,)
    return Filter(str(record.get("field", "")), record.get("op", "is"), value)  # type: ignore[arg-type]


def relaxations(filters: Sequence[Filter]) -> list[list[Filter]]:
    """Which filters to let go of, one try after another: each alone in the order of RELAXED, then the first two, the
    first three, and so on. What is not wanted ("not red") stays."""
    order = {field: place for place, field in enumerate(RELAXED)}
    free = [one for one in filters if one.op != "not"]
    ordered = sorted(free, key=lambda one: order.get(one.field, order["condition"]))
    return [[one] for one in ordered] + [ordered[:count] for count in range(2, len(ordered) + 1)]


def where(filters: Iterable[Filter], fields: Iterable[str], labels: Mapping[tuple[str, str], str]) -> str | None:
    """What every picture of a fitting variant fits, in the gallery's language over the attributes that the shop has
    told it; None for nothing. What cannot be said so is left to the shelf. `labels`: (field, folded value) -> value."""
    there = set(fields)
    parts = [part for one in filters for name, part in [_on_pictures(one, labels)] if part and name in there]
    return " and ".join(f"({part})" for part in parts) or None


def _on_pictures(one: Filter, labels: Mapping[tuple[str, str], str]) -> tuple[str, str]:
    """The attribute and the condition; a picture has the range of its variants' prices and all their values."""
    if one.field == "price":
        low, high = one.value if isinstance(one.value, tuple) else (one.value, one.value)
        least, most = f"price_max >= {low}", f"price <= {high}"
        return "price_max", {"<": most, "<=": most, ">": least, ">=": least}.get(one.op, f"{least} and {most}")
    if one.op != "is":
        return "", ""
    if one.field in ("stock", "sale"):
        name = "in_stock" if one.field == "stock" else "on_sale"
        return name, f"{name} = true" if one.value == ("yes",) else ""
    if one.field in TOLD and len(one.sought) <= MOST_TOLD:
        sought = [*one.sought, "unisex"] if one.field == "gender" else one.sought
        known = [labels[one.field, key] for key in sought if (one.field, key) in labels]
        return one.field, " or ".join(f"{one.field} has {_quoted(label)}" for label in known)
    return "", ""


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '""') + '"'


def _new_since() -> str:
    return (datetime.now(UTC).date() - timedelta(days=NEW_DAYS)).isoformat()


def _is_texts(value: object) -> bool:
    texts = (
        isinstance(value, tuple) and len(value) <= MOST_VALUES and all(isinstance(one, str) and one for one in value)
    )
    return texts and "".join(value).isprintable()  # type: ignore[arg-type]  # no half of a surrogate pair


def _is_number(value: object, pair: bool) -> bool:
    if pair:
        return isinstance(value, tuple) and len(value) == 2 and all(isinstance(one, float) for one in value)
    return isinstance(value, float)
