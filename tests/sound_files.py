"""Sounds made of arithmetic, written as real files of every container and codec."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import av
import numpy as np
import numpy.typing as npt

Wave = npt.NDArray[np.float32]


def tone(hz: float = 440.0, seconds: float = 1.0, rate: int = 48_000, level: float = 0.5) -> Wave:
    """A sine [n]."""
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def chirps(seconds: float = 2.0, rate: int = 48_000) -> Wave:
    """Three sweeps over some noise, which no codec can leave out [n]."""
    t = np.arange(round(seconds * rate)) / rate
    sweeps = sum(np.sin(2 * np.pi * (f * t + 300 * np.sin(2 * t))) for f in (350, 1400, 2900))
    noise = np.random.default_rng(0).standard_normal(len(t))
    return (0.15 * sweeps + 0.02 * noise).astype(np.float32)


def write_wav(
    samples: npt.NDArray[Any], rate: int = 16_000, *, tag: int = 1, size: int | None = None, channels: int | None = None
) -> bytes:
    """RIFF WAVE of samples [n] or [n, channels] in their own type; `size` and `channels` are what the header claims."""
    count = samples.shape[1] if samples.ndim == 2 else 1
    body = samples.tobytes()
    align = samples.itemsize * count
    claimed = count if channels is None else channels
    form = struct.pack("<HHIIHH", tag, claimed, rate, rate * align % 2**32, align, 8 * samples.itemsize)
    length = len(body) if size is None else size
    head = b"WAVE" + b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", length)
    return b"RIFF" + struct.pack("<I", min(len(head) + length, 2**32 - 1)) + head + body


def to_int16(wave: Wave) -> npt.NDArray[np.int16]:
    return np.clip(np.rint(wave * 32767), -32768, 32767).astype(np.int16)


def write_sound(
    wave: Wave, container: str, codec: str, rate: int = 48_000, *, layout: str = "mono", **options: str
) -> bytes:
    """`wave` [n], the same in every channel, as FFmpeg writes it."""
    out = BytesIO()
    with av.open(out, "w", format=container) as file:
        _add_sound(file, wave, codec, rate, layout, options)
    return out.getvalue()


def write_video(container: str, codec: str, wave: Wave | None, sound_codec: str = "aac") -> bytes:
    """Grey pictures of 32 x 32, with a sound track unless `wave` is None."""
    out = BytesIO()
    with av.open(out, "w", format=container) as file:
        pictures = file.add_stream(codec, rate=10)
        pictures.width = pictures.height = 32
        pictures.pix_fmt = "yuv420p"
        sound = None if wave is None else file.add_stream(sound_codec, rate=48_000)
        for index in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((48, 32), 20 * index, np.uint8), format="yuv420p")
            file.mux(pictures.encode(frame))
        file.mux(pictures.encode(None))
        if wave is not None:
            _encode(file, sound, wave, 48_000, sound.layout.name)
    return out.getvalue()


def _add_sound(file: Any, wave: Wave, codec: str, rate: int, layout: str, options: dict[str, str]) -> None:
    stream = file.add_stream(codec, rate=rate, options=options)
    stream.layout = layout
    _encode(file, stream, wave, rate, layout)


def _encode(file: Any, stream: Any, wave: Wave, rate: int, layout: str) -> None:
    channels = stream.layout.nb_channels
    frame = av.AudioFrame.from_ndarray(np.tile(wave, (channels, 1)), "fltp", layout)
    frame.sample_rate = rate
    frame.pts = 0
    resampler = av.AudioResampler(stream.format.name, layout, rate)
    for converted in [*resampler.resample(frame), *resampler.resample(None)]:
        if converted is not None:
            file.mux(stream.encode(converted))
    file.mux(stream.encode(None))
