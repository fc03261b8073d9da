"""A tar file -> where its members lie. Headers are read one at a time; data is passed over, never held.

POSIX.1-2017 pax, "ustar Interchange Format", and GNU tar's long names. `tarfile` is not used for the walk: it stops
silently at a damaged header, and reads an extended header of any size into memory."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from bouba.errors import MediaCorrupt

BLOCK_BYTES = 512
MAX_EXTENSION_BYTES = 2**20  # of a long name or a pax header
_EXTENSIONS = frozenset({tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE})
_EXTENSIONS |= {tarfile.SOLARIS_XHDTYPE}


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file inside; its data need not be whole, or there."""

    name: str
    offset: int  # bytes from the start of the tar file to the member's data
    size: int
    sparse: bool = False  # stored with its holes left out: offset and size are not those of its content


def tar_members(file: BinaryIO, name: str) -> Iterator[Member]:
    """Regular files in the order of the archive; folders, links and devices are passed over.

    `file` is read from its start and must be able to seek. Raises MediaCorrupt, after what could be read, for a file
    that is no tar file, is damaged or compressed, or ends before its end mark; `name` is what messages call it."""
    at, pax, long_name = 0, dict[str, str](), ""
    while (header := _header(file, name, at)) is not None:
        at += BLOCK_BYTES
        if header.type in _EXTENSIONS:
            content = _extension(file, name, header)
            if header.type == tarfile.GNUTYPE_LONGNAME:
                long_name = content.rstrip(b"\0").decode(errors="surrogateescape")
            elif header.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
                pax = _records(content, name, at)
            at += _padded(header.size)
            continue
        size = _size(pax.get("size", ""), header.size, name, at)
        holes = header.type == tarfile.GNUTYPE_SPARSE
        sparse = holes or any(key.startswith("GNU.sparse.") for key in pax)
        if header.type in tarfile.REGULAR_TYPES:
            yield Member(pax.get("path") or long_name or header.name, at, size, sparse)
        if header.type in tarfile.REGULAR_TYPES or header.type not in tarfile.SUPPORTED_TYPES:
            at += _padded(size) + (BLOCK_BYTES * _hole_blocks(file, name, at) if holes else 0)
        pax, long_name = {}, ""


def _header(file: BinaryIO, name: str, at: int) -> tarfile.TarInfo | None:
    """None at the end mark."""
    file.seek(at)
    block = file.read(BLOCK_BYTES)
    if not block and at:
        raise MediaCorrupt(f"{name}: ends before byte {at:,}, without an end mark: cut short, or still being written.")
    if len(block) < BLOCK_BYTES and at:
        raise MediaCorrupt(f"{name}: ends in the middle of a header, at byte {at + len(block):,}. Copy it again.")
    if len(block) == BLOCK_BYTES and not block.strip(b"\0"):
        return None
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError, OverflowError) as error:
        if at:
            raise MediaCorrupt(f"{name}: damaged, no tar header at byte {at:,}. Copy it again.") from error
        raise MediaCorrupt(f"{name}: is not a tar file that can be read. It must not be compressed.") from error
    if header.size < 0:
        raise MediaCorrupt(f"{name}: damaged, a member of {header.size:,} bytes at byte {at:,}. Copy it again.")
    return header


def _extension(file: BinaryIO, name: str, header: tarfile.TarInfo) -> bytes:
    if header.size > MAX_EXTENSION_BYTES:
        raise MediaCorrupt(
            f"{name}: the name or the properties of a member take {header.size:,} bytes, the limit is "
            f"{MAX_EXTENSION_BYTES:,}. Write it again with shorter ones."
        )
    content = file.read(header.size)
    if len(content) < header.size:
        raise MediaCorrupt(f"{name}: ends in the middle of a header. Copy it again.")
    return content


def _records(content: bytes, name: str, at: int) -> dict[str, str]:
    """pax records: "LENGTH KEYWORD=VALUE\\n", LENGTH counts all of the record."""
    records: dict[str, str] = {}
    while content and content[0]:
        digits, _, _ = content.partition(b" ")
        length = int(digits) if digits.isdigit() and len(digits) < 8 else 0
        keyword, equals, value = content[len(digits) + 1 : length - 1].partition(b"=")
        if not equals:
            raise MediaCorrupt(f"{name}: damaged, no pax header at byte {at:,}. Copy it again.")
        records[keyword.decode(errors="replace")] = value.decode(errors="surrogateescape")
        content = content[length:]
    return records


def _size(written: str, otherwise: int, name: str, at: int) -> int:
    if not written:
        return otherwise
    if not written.isascii() or not written.isdigit() or len(written) > 18:
        raise MediaCorrupt(f"{name}: damaged, a member of {written[:20]!r} bytes at byte {at:,}. Copy it again.")
    return int(written)


def _hole_blocks(file: BinaryIO, name: str, at: int) -> int:
    """How many blocks of hole lists lie between the header of an old GNU sparse member and its data."""
    blocks = 0
    file.seek(at - BLOCK_BYTES + 482)  # "isextended" of the header, 504 of a list
    while file.read(1) not in (b"\0", b""):
        blocks += 1
        file.seek(at + (blocks - 1) * BLOCK_BYTES + 504)
        if blocks > MAX_EXTENSION_BYTES // BLOCK_BYTES:
            raise MediaCorrupt(f"{name}: damaged, a sparse member at byte {at:,} has no end. Copy it again.")
    return blocks


def _padded(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES
