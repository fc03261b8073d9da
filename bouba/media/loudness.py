"""How loud a sound is to the ear (ITU-R BS.1770-4), and the gain that brings all sounds to one loudness."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from bouba.types import Samples

Powers = npt.NDArray[np.float64]

TARGET_LUFS = -23.0  # EBU R 128
_MAX_GAIN_DB = 30.0  # more would lift the noise floor of a nearly silent recording to that of speech
_CEILING = 0.99

_BLOCK_S, _HOP_S = 0.4, 0.1  # BS.1770-4: gating blocks of 400 ms that overlap by 75 %
_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
_OFFSET = -0.691  # BS.1770-4, equation 2: makes a sine of 997 Hz at full scale read -3.01
_BLOCKS_AT_ONCE = 256

# BS.1770-4, tables 1 and 2: (b, a) of the head's shelf and of the high-pass, at 48 kHz.
_SHELF = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585))
_HIGH_PASS = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))
_TABLES_HZ = 48_000


def integrated_loudness(samples: Samples, rate: int) -> float:
    """Gated loudness in LUFS of mono samples [n]; -inf where no block passes the absolute gate.

    Instead of filtering in time, each block's power spectrum is multiplied by the squared magnitude of the
    K-weighting filters, which by Parseval's theorem gives the block's mean square; what differs is the filters'
    ringing across the block's ends, below 0.1 LU. A sound shorter than 400 ms is one block."""
    powers = _block_powers(samples, rate)
    loud = powers[_lufs(powers) > _ABSOLUTE_GATE_LUFS]
    if not loud.size:
        return float("-inf")
    gate = _lufs(loud.mean()) + _RELATIVE_GATE_LU
    return float(_lufs(loud[_lufs(loud) > gate].mean()))


def normalise_loudness(samples: Samples, rate: int) -> Samples:
    """Samples at -23 LUFS, or as near to it as +30 dB and peaks below 1 allow. The gain is one number: nothing is
    compressed. Where all is below the absolute gate (a lone click), only peak and +30 dB count."""
    loudness = integrated_loudness(samples, rate)
    gain_db = min(TARGET_LUFS - loudness, _MAX_GAIN_DB)
    peak = peak_level(samples)
    gain = min(10 ** (gain_db / 20), _CEILING / peak) if peak else 1.0
    return samples * np.float32(gain)


def peak_level(samples: Samples) -> float:
    """The largest magnitude, without a copy as `abs` would make."""
    return max(float(samples.max(initial=0.0)), -float(samples.min(initial=0.0)))


def _block_powers(samples: Samples, rate: int) -> Powers:
    """Mean square of every K-weighted block."""
    size = min(round(_BLOCK_S * rate), len(samples))
    blocks = np.lib.stride_tricks.sliding_window_view(samples, size)[:: round(_HOP_S * rate)]
    weights = _k_weighting(np.arange(size // 2 + 1, dtype=np.float64) * (rate / size))
    weights[1 : (size + 1) // 2] *= 2  # the negative frequencies, which rfft leaves out
    parts = [
        (np.abs(np.fft.rfft(blocks[at : at + _BLOCKS_AT_ONCE].astype(np.float64))) ** 2 * weights).sum(axis=1)
        for at in range(0, len(blocks), _BLOCKS_AT_ONCE)
    ]
    powers: Powers = np.concatenate(parts) / size**2
    return powers


def _k_weighting(frequencies_hz: Powers) -> Powers:
    """Squared magnitude of both filters together."""
    z = np.exp(-2j * np.pi * frequencies_hz / _TABLES_HZ)
    response = np.ones_like(z)
    for b, a in (_SHELF, _HIGH_PASS):
        response *= np.polyval(b[::-1], z) / np.polyval(a[::-1], z)
    squared: Powers = np.abs(response) ** 2
    return squared


def _lufs(power: Powers) -> Powers:
    with np.errstate(divide="ignore"):
        levels: Powers = _OFFSET + 10 * np.log10(power)
    return levels
