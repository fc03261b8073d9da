"""A sound file's bytes -> samples, by FFmpeg (PyAV), which gets to see those bytes and nothing else.

Only the demuxer that the first bytes call for runs, only sound decoders run, every attempt to open another file
or address is refused, and every read checks the clock."""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, NoReturn

from bouba.errors import MediaCorrupt, MediaEmpty, MediaError, MediaTooLarge, MediaUnsupported
from bouba.media.containers import AAC, MP3, WAV, Container, id3_bytes
from bouba.media.limits import AudioLimits
from bouba.media.mono import MonoMixer, check_channels

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

    from bouba.types import Samples

_DECODERS = frozenset(
    "aac ac3 adpcm_ima_qt adpcm_ima_wav adpcm_ms alac amrnb amrwb eac3 flac libopus mp2 mp2float mp3 mp3float opus"
    " pcm_alaw pcm_f32be pcm_f32le pcm_f64be pcm_f64le pcm_mulaw pcm_s16be pcm_s16le pcm_s24be pcm_s24le pcm_s32be"
    " pcm_s32le pcm_s8 pcm_u8 vorbis".split()
)
_STREAMS_MAX = 64

# MP4 sample entries of Common Encryption, FairPlay and Audible, in the first place of the sample description.
_PROTECTED_ENTRY = re.compile(rb"stsd.{12}(enca|drms|aavd)", re.DOTALL)

# RIFF sizes of programs that write to a pipe and cannot go back to fill in the length.
_UNKNOWN_LENGTHS = tuple(size.to_bytes(4, "little") for size in (0, 2**31 - 1, 2**32 - 1))
_FMT_WITHIN_BYTES = 2**16
_XING_WITHIN_BYTES = 2**12

_PADDING_S = 0.25  # codecs fill their last frame; a real cut misses more than this and than the next
_PADDING_SHARE = 0.02
_DAMAGE_NOTED = 0.01  # share of the packets: a lone bad one is a tag behind the sound
_DAMAGE_MAX = 0.5


@dataclass(frozen=True, slots=True)
class Decoded:
    """A sound as it came out of the decoder."""

    samples: Samples  # [n], mono, 16 kHz, as loud as in the file
    seconds: float
    peak: float  # of any channel before mixing; 1 is full scale
    clipped: float  # share of the samples in flat tops at full scale
    notes: tuple[str, ...]  # where the file is cut or damaged


def decode_sound(data: bytes, container: Container, limits: AudioLimits) -> Decoded:
    """The sound track of `data`, mixed and resampled. A file that is cut or damaged is used as far as it goes.

    Raises MediaUnsupported, MediaCorrupt, MediaEmpty (a video without sound) or MediaTooLarge."""
    mixer = MonoMixer(limits)
    damage = _Damage()
    with _guard(container):
        if container is WAV:
            _check_wav(data, limits)
        reader = _TimedReader(data, limits.max_decode_s)
        with _open(reader, container) as file:
            track = _sound_track(file, data)
            promised_s = _promised_s(file, track, container, data)
            for frame in _frames(file, track, reader, damage):
                mixer.add(frame)
        samples = mixer.finish()
        damage.check(len(samples))
    notes = damage.notes(mixer.seconds, promised_s, length_known=data[4:8] not in _UNKNOWN_LENGTHS)
    return Decoded(samples, mixer.seconds, mixer.peak, mixer.clipped, notes)


class _TimedReader(BytesIO):
    """Where FFmpeg reads from. A demuxer that goes in circles has to come by here."""

    def __init__(self, data: bytes, seconds: float) -> None:
        super().__init__(data)
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds

    def check(self) -> None:
        if time.monotonic() > self._deadline:
            raise MediaTooLarge(
                f"decoding takes longer than {self._seconds:g} s, the limit. Cut it or raise AudioLimits.max_decode_s."
            )

    def read(self, size: int | None = -1, /) -> bytes:
        self.check()
        return super().read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self.check()
        return super().seek(offset, whence)


@dataclass(slots=True)
class _Damage:
    """What went wrong on the way, and whether the rest is worth having."""

    packets: int = 0
    bad: int = 0
    cut: bool = False
    reasons: list[str] = field(default_factory=list)

    def record(self, error: Exception) -> None:
        self.bad += 1
        self.reasons = self.reasons or [_words(error)]

    def check(self, samples: int) -> None:
        if not samples and not self.bad:
            raise MediaEmpty("it has a header and no sound after it.")
        if not samples or self.bad > _DAMAGE_MAX * self.packets:
            count = f"{self.bad:,} of {self.packets:,} packets cannot be decoded"
            raise MediaCorrupt(f"damaged: {count} ({self.reasons[0]}). Copy or export it again.")

    def notes(self, seconds: float, promised_s: float, *, length_known: bool) -> tuple[str, ...]:
        if promised_s * (1 - _PADDING_SHARE) - _PADDING_S > seconds:
            return (f"cut or damaged: of {promised_s:.1f} s, {seconds:.1f} s could be decoded.",)
        if self.cut and length_known:
            return (f"cut off: the file ends in the middle, after {seconds:.1f} s.",)
        if self.bad > _DAMAGE_NOTED * self.packets:
            return (f"damaged: {self.bad:,} of {self.packets:,} packets could not be decoded.",)
        return ()


def _open(reader: _TimedReader, container: Container) -> InputContainer:
    import av

    options = {
        "format_whitelist": container.demuxer,
        "codec_whitelist": ",".join(sorted(_DECODERS)),  # pictures are not even decoded to find their size
        "protocol_whitelist": "none",
        "max_streams": str(_STREAMS_MAX),
    }
    return av.open(
        reader, "r", format=container.demuxer, container_options=options, metadata_errors="replace", io_open=_refuse
    )


def _refuse(*_: object) -> NoReturn:
    raise MediaUnsupported("it refers to another file or address, which is not opened.")


def _check_wav(data: bytes, limits: AudioLimits) -> None:
    """What FFmpeg only calls invalid (WAVEFORMAT in Multimedia Programming Interface and Data Specifications 1.0)."""
    at = data.find(b"fmt ", 12, _FMT_WITHIN_BYTES)
    if at < 0 or len(data) < at + 24:
        raise MediaCorrupt("the file ends within its header. Copy it again.")
    order = ">" if data.startswith(b"RIFX") else "<"
    channels, rate = struct.unpack_from(f"{order}HI", data, at + 10)
    if not channels or not rate:
        raise MediaCorrupt(f"its header says {channels} channels at {rate} Hz. Export it again.")
    check_channels(channels, limits)


def _sound_track(file: InputContainer, data: bytes) -> AudioStream:
    """The best track that has an allowed decoder; the demuxer skips the others."""
    from av.stream import Discard

    tracks = file.streams.audio
    if not tracks:
        raise MediaEmpty("a video without sound." if file.streams.video else "there is no sound track in it.")
    heard = [track for track in tracks if track.codec_context and track.codec_context.name in _DECODERS]
    if _PROTECTED_ENTRY.search(data) or any("enc_key_id" in track.metadata for track in tracks):
        raise MediaUnsupported("its sound is encrypted (DRM). Give a copy without protection.")
    if not heard:
        context = tracks[0].codec_context
        raise MediaUnsupported(
            f"its sound is coded as {context.name if context else 'something unknown'}. Convert it to FLAC or MP3."
        )
    best = file.streams.best("audio")
    chosen = next((track for track in heard if track is best), heard[0])
    for stream in file.streams:
        if stream.index != chosen.index:
            stream.discard = Discard.all
    chosen.codec_context.thread_count = 1
    return chosen


def _promised_s(file: InputContainer, track: AudioStream, container: Container, data: bytes) -> float:
    """Seconds that the header speaks of; 0 where it does not (a browser's recording) or FFmpeg only guesses."""
    if container is AAC:
        return 0.0
    if container is MP3:
        start = id3_bytes(data) if data.startswith(b"ID3") else 0
        head = data[start : start + _XING_WITHIN_BYTES]
        if b"Xing" not in head and b"Info" not in head:
            return 0.0
    if track.duration and track.time_base:
        return float(track.duration * track.time_base)
    return (file.duration or 0) / 1e6 if not file.streams.video else 0.0


def _frames(file: InputContainer, track: AudioStream, reader: _TimedReader, damage: _Damage) -> Iterator[AudioFrame]:
    packets = file.demux(track)
    while True:
        reader.check()
        try:
            packet = next(packets, None)
            if packet is None:
                return
            damage.packets += 1
            damage.cut = damage.cut or packet.is_corrupt
            frames = packet.decode()
        except (MediaError, MemoryError):
            raise
        except Exception as error:
            damage.record(error)
            continue
        yield from (frame for frame in frames if frame.samples)


@contextmanager
def _guard(container: Container) -> Iterator[None]:
    """Inside, whatever FFmpeg or PyAV raises becomes a MediaError about the container."""
    name = f"{container.name} file"
    try:
        yield
    except MediaError as error:
        raise type(error)(f"{name}: {error}") from error
    except MemoryError as error:
        raise MediaTooLarge(f"{name}: damaged, or too large to decode in the memory there is.") from error
    except Exception as error:  # PyAV has an exception for every errno, and Python's own from its callbacks
        what = f"cut off or damaged, its header cannot be read ({_words(error)})"
        raise MediaCorrupt(f"{name}: {what}. Copy or export it again.") from error


def _words(error: Exception) -> str:
    words = str(getattr(error, "strerror", None) or error or "no details")
    return " ".join(words.replace(" when processing input", "").split())[:200].rstrip(".").lower()
