"""What the words of a question can mean in one catalogue: its brands, colours, categories, sizes and genders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bouba.apps.shop.filters import WITH_KINDS
from bouba.apps.shop.text import fold, joined, words

NAMED = ("category", "brand", "colour")  # fields that are named by their values alone
MOST_WORDS = 5  # of a value that is looked for
FEW = 2  # values that end in one word, from which it is a kind of things: "bag" for tote bags and hand bags

# Words for whom a thing is made, and how feeds say it.
GENDERS: Mapping[str, frozenset[str]] = {
    "women": frozenset("woman women womens female lady ladies f".split()),
    "men": frozenset("man men mens male gents gentlemen m".split()),
    "girls": frozenset("girl girls".split()),
    "boys": frozenset("boy boys".split()),
    "kids": frozenset("kid kids child children infant toddler junior youth girl girls boy boys".split()),
    "unisex": frozenset(["unisex"]),
}
_LETTERS = {
    "small": "s",
    "medium": "m",
    "large": "l",
    "extrasmall": "xs",
    "xsmall": "xs",
    "extralarge": "xl",
    "xlarge": "xl",
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """A field and those of its values that a phrase stands for."""

    field: str
    label: str
    keys: tuple[str, ...]  # folded values


class Vocabulary:
    """Of one edition of a catalogue. `values` are (field, folded value, value, variants)."""

    def __init__(self, values: Iterable[tuple[str, str, str, int]], doubted: Iterable[str] = ()) -> None:
        rows = list(values)
        self.labels = {(field, key): label for field, key, label, _ in rows}
        self._doubted = frozenset(doubted)
        self._phrases = _phrases(rows)
        self._sizes: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._genders: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self.conditions: dict[str, str] = {}
        for field, key, label, _ in rows:
            if field == "size":
                self._sizes[size_name(label)].append((key, label))
            elif field == "gender":
                for name in (name for name, all_of in GENDERS.items() if key in all_of):
                    self._genders[name].append((key, label))
            elif field == "condition":
                self.conditions[joined(label)] = label

    def meaning(self, phrase: str) -> Meaning | None:
        """Of a phrase as `joined` gives it; None where it is no value, or several fields have it."""
        found = self._phrases.get(phrase, {})
        if len(found) != 1 or phrase in self._doubted:
            return None
        (field, keys), *_ = found.items()
        exact = [key for key in keys if joined(key) == phrase]
        named = exact or (list(keys) if len(keys) == 1 else [])
        label = self.labels[field, named[0]] if named else phrase
        return Meaning(field, label, tuple(sorted(keys)))

    def gender(self, word: str) -> Meaning | None:
        """Of a word as it is written in the plural or the singular."""
        for name, all_of in GENDERS.items():
            if word in all_of and len(word) > 1 and (found := self._genders.get(name)):
                label = next((label for key, label in found if key == name), found[0][1] if len(found) == 1 else name)
                return Meaning("gender", label, tuple(sorted(key for key, _ in found)))
        return None

    def size(self, text: str) -> Meaning | None:
        """One that the catalogue has; a size of a country is taken without it where the catalogue names none."""
        name = size_name(text)
        found = self._sizes.get(name) or self._sizes.get(name.lstrip("abcdefghijklmnopqrstuvwxyz") or name)
        return Meaning("size", found[0][1], tuple(key for key, _ in found)) if found else None


def size_name(text: str) -> str:
    """`Extra Large`, `X-Large` and `XL` are one, and so are `XXL` and `2XL`; half sizes keep their half."""
    plain = "".join(fold(text).replace(",", ".").replace("-", "").split())
    plain = _LETTERS.get(plain, plain)
    if len(plain) > 2 and plain[-1] in "sl" and set(plain[:-1]) == {"x"}:
        return f"{len(plain) - 1}x{plain[-1]}"
    return plain


def doubted(
    values: Iterable[tuple[str, str, str, int]], titles: list[tuple[int, set[str]]], holding: Mapping[str, set[int]]
) -> list[str]:
    """Brands of one word that more titles of other products have than of their own: "Next", "Mango" among fruit.

    `titles` are products with the words of their titles, `holding` the products of each brand by its folded name."""
    found = []
    for field, key, label, _ in values:
        said = words(label)
        if field != "brand" or len(said) != 1:
            continue
        own = holding.get(key, set())
        others = sum(said[0] in title for product, title in titles if product not in own)
        if others and others >= sum(product in own for product, _ in titles):
            found.append(said[0])
    return found


def _phrases(rows: Iterable[tuple[str, str, str, int]]) -> dict[str, dict[str, set[str]]]:
    """Phrase -> field -> folded values."""
    exact: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    kinds: dict[tuple[str, str], set[str]] = defaultdict(set)
    for field, key, label, _ in rows:
        said = words(label)
        if field not in NAMED or not 0 < len(said) <= MOST_WORDS or not any(c.isalpha() for c in key) or len(key) < 2:
            continue
        for phrase in {"".join(said), joined(label.replace("'", "")), "".join(said[said[0] == "the" :])} - {""}:
            exact[phrase][field].add(key)
        if field in WITH_KINDS:
            for start in range(1, len(said)):
                kinds[field, "".join(said[start:])].add(key)
    for (field, phrase), keys in kinds.items():
        if field in exact.get(phrase, {}) or (len(keys) >= FEW and field == "category"):
            exact[phrase][field] |= keys
    return {phrase: dict(fields) for phrase, fields in exact.items()}
