"""What a sound or video file is, judged by its first bytes and never by its name, and the one demuxer for it.

FFmpeg's own probing would also find demuxers that open other files and addresses (playlists, `concat`, `subfile`)."""

from __future__ import annotations

from dataclasses import dataclass

from bouba.errors import MediaEmpty, MediaUnsupported
from bouba.media import kinds


@dataclass(frozen=True, slots=True)
class Container:
    """A file format that bouba hears."""

    name: str
    demuxer: str  # FFmpeg's name


WAV = Container("WAV", "wav")
AIFF = Container("AIFF", "aiff")
FLAC = Container("FLAC", "flac")
OGG = Container("Ogg", "ogg")
MP3 = Container("MP3", "mp3")
AAC = Container("AAC", "aac")
MP4 = Container("MP4", "mov")
MATROSKA = Container("WebM or Matroska", "matroska")

_HEARD = "WAV, AIFF, FLAC, Ogg, MP3, AAC, M4A and WebM sounds and the sound of MP4, MOV, WebM and MKV videos"

_BOXES = frozenset([b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"])  # of ISO/IEC 14496-12 and QuickTime
_PICTURE_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"#EXTM3U", "a playlist, which only names other files (give one of those)"),
    (b"ffconcat", "a list of other files (give one of those)"),
    (b"[playlist]", "a playlist, which only names other files (give one of those)"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media (ASF, WMA, WMV) file"),
    (b"MThd", "a MIDI file, which has notes and no sound"),
    (b"#!AMR", "an AMR recording"),
    (b"caff", "an Apple CAF file"),
    (b"wvpk", "a WavPack file"),
    (b"MAC ", "a Monkey's Audio file"),
    (b".snd", "a Sun AU file"),
    (b"FLV\x01", "a Flash video"),
)


def sniff_sound(data: bytes) -> Container:
    """The container in `data`. Raises MediaEmpty, or MediaUnsupported that says what it is instead."""
    if not data:
        raise MediaEmpty("no data: the file has 0 bytes.")
    container = _container(data)
    if container is None:
        raise MediaUnsupported(f"this is {_describe(data)}. bouba hears {_HEARD}.")
    return container


def _container(data: bytes) -> Container | None:
    head, form = data[:4], data[8:12]
    if head in (b"RIFF", b"RF64", b"RIFX", b"BW64") and form == b"WAVE":
        return WAV
    if head == b"FORM" and form in (b"AIFF", b"AIFC"):
        return AIFF
    if head == b"OggS":
        return OGG
    if head == b"\x1aE\xdf\xa3":
        return MATROSKA
    if data[4:8] in _BOXES:
        return None if data[4:8] == b"ftyp" and form in _PICTURE_BRANDS else MP4
    if data.startswith(b"ID3"):
        return _without_frame_sync(data[id3_bytes(data) :]) or MP3
    return _without_frame_sync(data)


def _without_frame_sync(data: bytes) -> Container | None:
    if data.startswith(b"fLaC"):
        return FLAC
    if len(data) < 4 or data[0] != 0xFF:
        return None
    if data[1] & 0xF6 == 0xF0:  # ADTS, ISO/IEC 13818-7: sync of 12 bits, layer 0
        return AAC
    layer_3_or_2 = data[1] & 0xE0 == 0xE0 and data[1] & 0x06 in (0x02, 0x04)  # layer I is UTF-16's byte order mark
    possible = data[1] & 0x18 != 0x08 and data[2] & 0xF0 != 0xF0 and data[2] & 0x0C != 0x0C
    return MP3 if layer_3_or_2 and possible else None


def id3_bytes(data: bytes) -> int:
    """Length of the ID3v2 tag (id3.org, ID3v2.4 3.1): 7 bits a byte."""
    size = 0
    for byte in data[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if len(data) > 5 and data[5] & 0x10 else 0)


def _describe(data: bytes) -> str:
    for signature, what in _OTHERS:
        if data.startswith(signature):
            return what
    if data.startswith(b"RIFF") and data[8:12] == b"AVI ":
        return "an AVI video"
    try:
        name = kinds.sniff(data).name
        return f"{'an' if name[0] in 'AEIOU' else 'a'} {name} picture"
    except MediaUnsupported:
        return kinds.describe(data)
