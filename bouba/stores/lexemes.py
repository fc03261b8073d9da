"""Text -> the words and the product codes that an item or a query is found by.

Words are folded: no case, no accents, compatibility forms as plain ones (NFKC). Scripts without spaces between words
are cut into pairs of characters, as Lucene's CJK analyser does. A code is folded to its letters and digits, so that
`AB-1234/X`, `ab 1234 x` and `ab1234X` are one.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from bouba.types import AttributeValue, Item

TITLE_NAMES = frozenset("title titles name names caption captions label labels headline heading product".split())
CODE_NAMES = frozenset(
    "sku ean ean8 ean13 gtin upc plu isbn issn asin mpn code codes barcode id ids ref reference artikelnummer".split()
)
# English words that say nothing about a picture. What else is everywhere in a gallery counts nothing there by itself.
STOP_WORDS = frozenset(
    "a about after all an and any are as at be been being but by can did do does for from had has have he her here him "
    "his i if in into is it its just me my no nor not of off on one or our out over she so some such than that the "
    "their them then there these they this those to too under up very was we were what when where which while who "
    "with without you your".split()
)
# Names that cameras, programs and collections give to every file.
FILE_WORDS = frozenset(
    "img imgs image images dsc dscn dscf pict pxl mvi mov gopr photo photos pic pics picture pictures screenshot "
    "whatsapp scan untitled copy file files dcim camera download downloads train val test data jpg jpeg png".split()
)

_UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_PIECE = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")
_RUN = re.compile(r"[^\W_]+(?:[-_/.#+][^\W_]+)+|[^\W_]+")
_QUANTITY = re.compile(r"\d+(?:[.,x×]\d+)*[a-z]{0,3}|\d+(?:st|nd|rd|th|er)")  # 500ml, 10x15cm, 2nd: no codes
_HEX = re.compile(r"[0-9a-f]{16,}")
_MAX_TEXT = 20_000  # characters of one value that are looked at
_MAX_CODE = 40
_WINDOW = 4  # pieces of a query that may make up one code


@dataclass(frozen=True, slots=True)
class ItemWords:
    """What an item is found by, as words parted by spaces."""

    title: str
    other: str
    path: str
    codes: frozenset[str]

    @property
    def digest(self) -> bytes:
        parts = "\0".join([self.title, self.other, self.path, *sorted(self.codes)])
        return hashlib.blake2b(parts.encode(), digest_size=8).digest()


@dataclass(frozen=True, slots=True)
class QueryWords:
    words: tuple[str, ...]  # that say something, each once
    codes: tuple[str, ...]  # what may be a code in it, the longest first


def item_words(item: Item) -> ItemWords:
    title: list[str] = []
    other: list[str] = []
    codes: set[str] = set()
    for name, value in item.attributes.items():
        kinds = set(words(name))
        values = value if isinstance(value, tuple) else (value,)
        if kinds & CODE_NAMES:
            codes.update(code for one in values for code in _named_code(one))
            continue
        texts = [text for text in values if isinstance(text, str) and "://" not in text]
        codes.update(code for text in texts for code in _codes_in(text))
        (title if kinds & TITLE_NAMES else other).extend(word for text in texts for word in words(text))
        other.extend(words(name) if texts else ())
    folder, stem = _last_two(item.path)
    codes.update(_codes_in(stem))
    return ItemWords(" ".join(title), " ".join(other), " ".join(_path_words(folder, stem)), frozenset(codes))


def query_words(text: str) -> QueryWords:
    codes = tuple(dict.fromkeys(_windows(text)))
    said = [word for word in words(text) if word not in STOP_WORDS]
    return QueryWords(tuple(dict.fromkeys(said)), codes)


def words(text: str) -> list[str]:
    """Folded, in order. Single letters and small numbers are left out; a code is one word."""
    return [word for run in _RUN.findall(fold(text[:_MAX_TEXT])) for word in _of_run(run)]


def fold(text: str) -> str:
    """Lower case without accents."""
    parted = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(c for c in parted if not unicodedata.combining(c)))


def variants(word: str) -> tuple[str, ...]:
    """A word with its English singular and plural (after the S stemmer; Harman, How effective is suffixing?, 1991).

    In other languages the made-up forms are simply not found."""
    if len(word) < 3 or not word.isascii() or not word.isalpha():
        return (word,)
    forms = [word, *_singulars(word)]
    if not word.endswith("s") or word.endswith("ss"):
        forms.append(_plural(word))
    return tuple(dict.fromkeys(forms))


def _singulars(word: str) -> Iterator[str]:
    if len(word) > 4 and word.endswith("ies"):
        yield word[:-3] + "y"
    if len(word) > 4 and re.search(r"(s|x|z|ch|sh)es$", word):
        yield word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        yield word[:-1]


def _plural(word: str) -> str:
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + ("es" if re.search(r"(s|x|z|ch|sh)$", word) else "s")


def as_code(text: str) -> str:
    """Letters and digits alone; a number without leading zeros, so that UPC, EAN and GTIN-14 of one thing agree."""
    code = "".join(_PIECE.findall(fold(text)))
    return code.lstrip("0") if code.isdigit() else code


def _of_run(run: str) -> Iterator[str]:
    if _is_code(run):
        yield as_code(run)
        return
    for piece in _PIECE.findall(run):
        if re.match(f"[{_UNSPACED}]", piece):
            yield from (piece[i : i + 2] for i in range(len(piece) - 1)) if len(piece) > 1 else (piece,)
        elif len(piece) > 1 and not (piece.isdigit() and len(piece) < 3):
            yield piece


def _is_code(run: str) -> bool:
    """Letters and digits mixed, or many digits: nothing that is said of a picture."""
    code = as_code(run)
    if not 4 <= len(code) <= _MAX_CODE or not any(c.isdigit() for c in code) or _HEX.fullmatch(code):
        return False
    if code.isdigit():
        return len(code) >= 5
    longest = max((len(letters) for letters in re.findall(r"[^\W\d_]+", run)), default=0)
    return len(code) >= 5 and longest <= 4 and not _QUANTITY.fullmatch(run)


def _codes_in(text: str) -> Iterator[str]:
    yield from (as_code(run) for run in _RUN.findall(fold(text[:_MAX_TEXT])) if _is_code(run))
    whole = text.strip()
    shouted = whole.isupper() and " " not in whole and any(c.isdigit() for c in whole)
    if shouted and 5 <= len(code := as_code(whole)) <= _MAX_CODE and not _QUANTITY.fullmatch(fold(whole)):
        yield code


def _named_code(value: AttributeValue) -> Iterator[str]:
    """A value that its attribute's name calls a code; tables often take such a one for a number."""
    if isinstance(value, float) and value.is_integer():
        value = f"{value:.0f}"
    if isinstance(value, str) and 3 <= len(code := as_code(value)) <= _MAX_CODE:
        yield code


def _windows(text: str) -> Iterator[str]:
    """All of the query, and up to four neighbouring pieces of it that hold a digit, the longest first."""
    pieces = text[:_MAX_TEXT].split()
    if 3 <= len(whole := as_code(text)) <= _MAX_CODE:
        yield whole
    if not _has_digit(text):
        return
    for size in range(min(_WINDOW, len(pieces)), 0, -1):
        for start in range(len(pieces) - size + 1):
            code = as_code("".join(pieces[start : start + size]))
            if 4 <= len(code) <= _MAX_CODE and any(c.isdigit() for c in code):
                yield code


def _last_two(path: str) -> tuple[str, str]:
    """The folder's name and the file's without its suffix."""
    plain = unquote(urlsplit(path).path) if "://" in path else path
    parts = re.split(r"[/\\]", plain)
    return (parts[-2] if len(parts) > 1 else ""), parts[-1].rpartition(".")[0] or parts[-1]


def _path_words(*names: str) -> Iterable[str]:
    spaced = (re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name) for name in names)
    return (w for name in spaced for w in words(name.replace("_", " ")) if w not in FILE_WORDS and not _has_digit(w))


def _has_digit(word: str) -> bool:
    return any(c.isdigit() for c in word)
