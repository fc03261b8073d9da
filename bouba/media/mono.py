"""Decoded frames of any sample format, channels and rate -> one channel at 16 kHz, measured on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bouba.errors import MediaCorrupt, MediaTooLarge, MediaUnsupported
from bouba.media.limits import AudioLimits

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler

    from bouba.types import Samples

RATE = 16_000  # Hz

_RATES_HZ = (4_000, 384_000)
_BATCH_SAMPLES = 2**16  # of one channel; arithmetic on single frames of some hundred samples costs ten times as much

# ITU-R BS.775-4, table 2 (mono). Surround channels of any kind count half, the subwoofer nothing.
_WEIGHTS = {"FC": 1.0, "FL": 0.7071, "FR": 0.7071, "LFE": 0.0, "LFE2": 0.0}
_SURROUND_WEIGHT = 0.5

_CEILING = 32767 / 32768  # the highest code of 16 bits
_OTHER_SCALE = 2.0  # no codec overshoots this far: a float file with another full scale
_RUN = 3  # a lone sample at the ceiling is a peak, this many in a row are a flat top


class MonoMixer:
    """Takes frames one by one; `finish` gives the whole. Both raise MediaError where a frame is over the limits.

    The resampler is FFmpeg's with its default filter; a new one starts where the rate changes in mid-stream."""

    def __init__(self, limits: AudioLimits) -> None:
        self.peak = 0.0  # of any channel, before mixing
        self._limits = limits
        self._counts: dict[int, int] = {}  # sample rate -> samples of one channel; adding up seconds would drift
        self._decoded_bytes = 0
        self._clipped = 0
        self._measured = 0
        self._shape: tuple[Any, ...] = ()  # sample rate, sample format, layout
        self._weights: list[float] = []
        self._waiting: list[npt.NDArray[Any]] = []
        self._waiting_samples = 0
        self._resampler: AudioResampler | None = None
        self._done: list[Samples] = []

    @property
    def seconds(self) -> float:
        return sum(count / rate for rate, count in self._counts.items())

    @property
    def clipped(self) -> float:
        """Share of the samples of all channels that lie in flat tops at full scale."""
        return self._clipped / max(1, self._measured) if self.peak < _OTHER_SCALE else 0.0

    def add(self, frame: AudioFrame) -> None:
        self._check(frame)
        shape = (frame.sample_rate, frame.format.name, frame.layout.name)
        if shape != self._shape:
            self._mix()
            if self._shape[:1] != shape[:1]:
                self._flush()
            self._shape = shape
            self._weights = _mixing_weights(frame)
        channels = len(self._weights)
        array = frame.to_ndarray()
        self._waiting.append(array if frame.format.is_planar else array.reshape(-1, channels).T)
        self._waiting_samples += frame.samples
        if self._waiting_samples >= _BATCH_SAMPLES:
            self._mix()

    def finish(self) -> Samples:
        """All that was added, mono at 16 kHz, unscaled: [n]."""
        self._mix()
        self._flush()
        parts, self._done = self._done, []
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def _check(self, frame: AudioFrame) -> None:
        low, high = _RATES_HZ
        if not low <= frame.sample_rate <= high:
            raise MediaUnsupported(
                f"a sample rate of {frame.sample_rate:,} Hz; bouba hears {low:,} to {high:,}. Resample it first."
            )
        channels, limits = frame.layout.nb_channels, self._limits
        check_channels(channels, limits)
        self._decoded_bytes += frame.samples * channels * frame.format.bytes
        if self._decoded_bytes > limits.max_decoded_bytes:
            most = f"{limits.max_decoded_bytes:,} bytes"
            raise _over(f"more than {most} when decoded", most, "Cut or resample it", "max_decoded_bytes")
        self._counts[frame.sample_rate] = self._counts.get(frame.sample_rate, 0) + frame.samples
        if self.seconds > limits.max_seconds:
            most = f"{limits.max_seconds:,g} s"
            raise _over(f"longer than {most}", most, "Cut it", "max_seconds")

    def _mix(self) -> None:
        if not self._waiting:
            return
        channels = _to_float(np.concatenate(self._waiting, axis=1))
        self._waiting, self._waiting_samples = [], 0
        self._measure(channels)
        mono = channels[0]
        if len(channels) > 1:
            mono = np.zeros_like(mono)
            for weight, channel in zip(self._weights, channels, strict=True):
                mono += weight * channel
        self._push(mono)

    def _measure(self, channels: Samples) -> None:
        levels = np.abs(channels)
        peak = float(levels.max())
        if not np.isfinite(peak):
            raise MediaCorrupt("samples that are no numbers (NaN or infinite). Export it again.")
        self.peak = max(self.peak, peak)
        self._measured += channels.size
        if peak >= _CEILING and not self._shape[1].startswith("u8"):  # 8 bits are too coarse to tell
            self._clipped += _count_in_runs(levels >= _CEILING)

    def _push(self, mono: Samples) -> None:
        from av.audio.frame import AudioFrame
        from av.audio.resampler import AudioResampler

        frame = AudioFrame.from_ndarray(np.ascontiguousarray(mono[None]), "fltp", "mono")
        frame.sample_rate = self._shape[0]
        self._resampler = self._resampler or AudioResampler("fltp", "mono", RATE)
        self._keep(self._resampler.resample(frame))

    def _flush(self) -> None:
        if self._resampler is not None:
            self._keep(self._resampler.resample(None))
            self._resampler = None

    def _keep(self, frames: list[AudioFrame]) -> None:
        # At 16 kHz the resampler passes everything on, even the None that flushes it.
        self._done += [frame.to_ndarray()[0].astype(np.float32) for frame in frames if frame is not None]


def check_channels(channels: int, limits: AudioLimits) -> None:
    if channels > limits.max_channels:
        raise _over(f"{channels:,} channels", f"{limits.max_channels}", "Mix them down", "max_channels")


def _over(what: str, most: str, way_out: str, name: str) -> MediaTooLarge:
    return MediaTooLarge(f"{what}, the limit is {most}. {way_out} or raise AudioLimits.{name}.")


def _mixing_weights(frame: AudioFrame) -> list[float]:
    """One per channel, sum 1."""
    names = [channel.name for channel in frame.layout.channels]
    weights = [_WEIGHTS.get(name, _SURROUND_WEIGHT) for name in names]
    if not sum(weights):  # nothing but a subwoofer
        weights = [1.0] * len(names)
    return [weight / sum(weights) for weight in weights]


def _to_float(array: npt.NDArray[Any]) -> Samples:
    """Full scale is 1; floats may be over it."""
    with np.errstate(over="ignore"):
        values: Samples = array.astype(np.float32)
    if array.dtype == np.uint8:
        values -= 128
    if array.dtype.kind in "iu":
        values /= 2 ** (8 * array.itemsize - 1)
    return values


def _count_in_runs(marked: npt.NDArray[np.bool_]) -> int:
    """How many of `marked` [channels, n] stand in a row of at least `_RUN`."""
    if marked.shape[1] < _RUN:
        return 0
    starts = np.lib.stride_tricks.sliding_window_view(marked, _RUN, axis=1).all(axis=2)
    covered = np.zeros_like(marked)
    for shift in range(_RUN):
        covered[:, shift : shift + starts.shape[1]] |= starts
    return int(covered.sum())
