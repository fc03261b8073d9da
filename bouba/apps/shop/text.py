"""How words of a catalogue and of a question are compared."""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser

_WORD = re.compile(r"[^\W_]+")
_ODD = {
    "scarves": "scarf", "knives": "knife", "loaves": "loaf", "leaves": "leaf", "shelves": "shelf", "wolves": "wolf",
    "potatoes": "potato", "tomatoes": "tomato", "mangoes": "mango", "mice": "mouse", "feet": "foot",
}  # fmt: skip
_BLOCKS = frozenset("p br div li ul ol tr td h1 h2 h3 h4 h5 h6".split())


def fold(text: str) -> str:
    """Lower case without accents, and one space between words."""
    parted = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in parted if not unicodedata.combining(c)).split())


def words(text: str) -> list[str]:
    """Folded, in the singular, in order."""
    return [singular(word) for word in _WORD.findall(fold(text).replace("'s", "").replace("’s", ""))]


def joined(text: str) -> str:
    """A name by which `T-shirts`, `t shirt` and `Tshirt` are one."""
    return "".join(words(text))


def singular(word: str) -> str:
    """English plurals (S stemmer; Harman, How effective is suffixing?, 1991), with the odd ones that shops have."""
    if word in _ODD:
        return _ODD[word]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and re.search(r"(ss|x|z|ch|sh)es$", word):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def as_code(text: str) -> str:
    """A SKU or barcode by its letters and digits; numbers without leading zeros, so that UPC, EAN and GTIN agree."""
    code = "".join(_WORD.findall(fold(text)))
    return code.lstrip("0") if code.isdigit() else code


def plain(html: str) -> str:
    """The text of a product's description in HTML."""
    if "<" not in html:
        return " ".join(html.split())
    reader = _Text()
    reader.feed(html)
    reader.close()
    return " ".join("".join(reader.parts).split())


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._silent += tag in ("script", "style")
        self.parts.append(" " if tag in _BLOCKS else "")

    def handle_endtag(self, tag: str) -> None:
        self._silent = max(0, self._silent - (tag in ("script", "style")))
        self.parts.append(" " if tag in _BLOCKS else "")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)
