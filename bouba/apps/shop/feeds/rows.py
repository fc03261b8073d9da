"""A feed's file -> its rows with their line numbers: CSV and TSV, JSON lines, RSS and Atom with Google's columns."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from typing import Any
from xml.sax import SAXException, SAXParseException, handler, make_parser
from xml.sax.xmlreader import AttributesImpl, IncrementalParser, Locator

from bouba.errors import ManifestError

SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".xml", ".rss", ".atom")
MOST_CELL = 2**20  # characters
_CHUNK = 2**16
_FOREIGN = re.compile("[\ud800-\udfff]")  # bytes that are no UTF-8, as `surrogateescape` keeps them
_NO_UTF8 = "not UTF-8: save the feed as UTF-8"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table, one JSON object, one item of XML; or what is wrong with it."""

    line: int  # where it ends, from 1
    cells: Mapping[str, Any] = field(default_factory=dict)
    wrong: str = ""


def rows(path: Path) -> Iterator[Row]:
    """All rows of a feed; the last one says so where the rest of the file cannot be read.

    Raises ManifestError for a file that is no feed at all."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ManifestError(
            f"{path.name}: feeds are {', '.join(SUFFIXES)} files, not {suffix or 'files without suffix'}."
        )
    read = _xml_rows if suffix in (".xml", ".rss", ".atom") else _json_rows if "json" in suffix else _table_rows
    last = 0
    try:
        for row in read(path):
            last = row.line
            yield row
    except OSError as error:
        raise ManifestError(f"{path.name} cannot be read: {error.strerror or error}.") from error
    except csv.Error as error:
        yield Row(last + 1, wrong=f"the rest is not read: {error}")
    except (SAXException, ValueError) as error:
        at = error.getLineNumber() if isinstance(error, SAXParseException) else None
        said = error.getMessage() if isinstance(error, SAXException) else error
        yield Row(at or last + 1, wrong=f"the rest is not read: {said}")


def _table_rows(path: Path) -> Iterator[Row]:
    csv.field_size_limit(MOST_CELL)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter=_delimiter(path, file))
        names = [name.strip() for name in next(reader, [])]
        if not any(names):
            raise ManifestError(f"{path.name} is empty: its first line names the columns.")
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(names):
                yield Row(reader.line_num, wrong=f"{len(cells)} cells under {len(names)} columns")
                continue
            if _FOREIGN.search("".join(cells)):
                yield Row(reader.line_num, wrong=_NO_UTF8)
                continue
            yield Row(
                reader.line_num, {n: cell.strip() for n, cell in zip(names, cells, strict=True) if n and cell.strip()}
            )


def _delimiter(path: Path, file: TextIOWrapper) -> str:
    first = file.readline()
    file.seek(0)
    return "\t" if path.suffix.lower() == ".tsv" else max(",;\t|", key=first.count)


def _json_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        for line, text in enumerate(file, 1):
            if not text.strip():
                continue
            if _FOREIGN.search(text):
                yield Row(line, wrong=_NO_UTF8)
                continue
            try:
                value = json.loads(text)
            except (ValueError, RecursionError) as error:
                yield Row(line, wrong=f"not JSON: {error}")
                continue
            if "\\ud" in text.lower() and _FOREIGN.search(json.dumps(value, ensure_ascii=False)):
                yield Row(line, wrong="half of a character (a lone surrogate)")
                continue
            yield Row(line, value) if isinstance(value, dict) else Row(line, wrong="no JSON object")


def _xml_rows(path: Path) -> Iterator[Row]:
    """Each <item> or <entry>; a name that occurs several times is a list."""
    items = _Items()
    parser = make_parser()
    assert isinstance(parser, IncrementalParser)
    parser.setFeature(handler.feature_external_ges, False)
    parser.setContentHandler(items)
    parser.setProperty(handler.property_lexical_handler, _NoDoctype())
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            parser.feed(chunk)
            yield from items.take()
    parser.close()
    yield from items.take()
    if not items.any:
        raise ManifestError(f"{path.name} has no <item> and no <entry>: it is no product feed.")


class _Items(handler.ContentHandler):
    def __init__(self) -> None:
        super().__init__()
        self.any = False
        self._done: list[Row] = []
        self._cells: dict[str, Any] | None = None
        self._depth = 0  # below the item
        self._text: list[str] = []
        self._locator: Locator | None = None

    def setDocumentLocator(self, locator: Locator) -> None:
        self._locator = locator

    def take(self) -> list[Row]:
        done, self._done = self._done, []
        return done

    def startElement(self, name: str, attrs: AttributesImpl) -> None:
        if self._cells is None:
            self._cells = {} if _local(name) in ("item", "entry") else None
            self._depth = 0
            return
        self._depth += 1
        self._text = []
        if _local(name) == "link" and attrs.get("href"):  # Atom
            self._text = [attrs["href"]]

    def characters(self, content: str) -> None:
        if self._depth == 1:
            self._text.append(content)

    def endElement(self, name: str) -> None:
        if self._cells is None:
            return
        if self._depth == 0:
            self.any = True
            line = self._locator.getLineNumber() if self._locator is not None else None
            self._done.append(Row(line or 0, self._cells))
            self._cells = None
            return
        if self._depth == 1 and (text := "".join(self._text).strip()):
            self._keep(_local(name), text)
        self._depth -= 1

    def _keep(self, name: str, text: str) -> None:
        assert self._cells is not None
        if name in self._cells:
            before = self._cells[name]
            self._cells[name] = [*(before if isinstance(before, list) else [before]), text]
        else:
            self._cells[name] = text


class _NoDoctype(handler.LexicalHandler):  # type: ignore[misc,name-defined,unused-ignore]
    """Entities of a document type are how small files become large ones (CWE-776), and feeds have none."""

    def startDTD(self, name: str, public_id: str | None, system_id: str | None) -> None:
        raise SAXException("a document type (<!DOCTYPE>) is not taken")


def _local(name: str) -> str:
    return name.rpartition(":")[2].lower()
