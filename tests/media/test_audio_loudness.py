from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from sound_files import chirps, tone, write_wav

from bouba.media import load_audio
from bouba.media.audio import RATE
from bouba.media.loudness import integrated_loudness, normalise_loudness


@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize("level", [1.0, 0.1, 0.01])
def test_sine_of_bs1770(rate: int, level: float) -> None:
    loudness = integrated_loudness(tone(997, 2, rate, level), rate)
    assert loudness == pytest.approx(-3.01 + 20 * np.log10(level), abs=0.02)


def filtered_loudness(samples: np.ndarray) -> float:
    """BS.1770-4 to the letter, at 48 kHz."""
    shelved = lfilter(
        [1.53512485958697, -2.69169618940638, 1.19839281085285], [1, -1.69065929318241, 0.73248077421585], samples
    )
    weighted = lfilter([1, -2, 1], [1, -1.99004745483398, 0.99007225036621], shelved)
    powers = np.array([np.mean(weighted[at : at + 19_200] ** 2) for at in range(0, len(samples) - 19_199, 4_800)])
    levels = -0.691 + 10 * np.log10(powers)
    kept = powers[levels > -70]
    gate = -0.691 + 10 * np.log10(kept.mean()) - 10
    return float(-0.691 + 10 * np.log10(kept[-0.691 + 10 * np.log10(kept) > gate].mean()))


def test_like_the_filters_in_time() -> None:
    noise = np.random.default_rng(1).standard_normal(5 * 48_000).astype(np.float32) * 0.05
    bursts = noise * (np.sin(np.arange(len(noise)) / 9000) > 0)
    for wave in (noise, bursts, chirps(), tone(60, 3), tone(5000, 3, level=0.01)):
        assert integrated_loudness(wave, 48_000) == pytest.approx(filtered_loudness(wave), abs=0.1)


def test_silence_around_a_sound_does_not_count() -> None:
    wave = tone(997, 2, RATE, 0.1)
    padded = np.concatenate([np.zeros(10 * RATE, np.float32), wave, np.zeros(10 * RATE, np.float32)])
    assert integrated_loudness(padded, RATE) == pytest.approx(integrated_loudness(wave, RATE), abs=1.0)


def test_shorter_than_a_block() -> None:
    assert integrated_loudness(tone(997, 0.2, RATE), RATE) == pytest.approx(-9.03, abs=0.05)


@pytest.mark.parametrize("level", [1.0, 0.3, 0.03, 0.02])
def test_all_levels_end_at_the_target(level: float) -> None:
    audio = load_audio(write_wav(level * chirps(rate=RATE), tag=3))
    assert integrated_loudness(audio.samples, RATE) == pytest.approx(-23, abs=0.01)


def test_same_sound_at_other_levels_gives_the_same_samples() -> None:
    loud, quiet = (load_audio(write_wav(level * chirps(rate=RATE), tag=3)).samples for level in (0.5, 0.05))
    assert np.abs(loud - quiet).max() < 1e-5


def test_gain_has_a_ceiling() -> None:
    quiet = tone(997, 1, RATE, 10 ** (-56 / 20))
    assert integrated_loudness(normalise_loudness(quiet, RATE), RATE) == pytest.approx(-56 - 3.01 + 30, abs=0.05)


def test_peaks_stay_below_full_scale() -> None:
    click = 0.001 * np.random.default_rng(2).standard_normal(RATE).astype(np.float32)
    click[500] = 0.9
    for wave in (click, np.eye(1, RATE, 50, dtype=np.float32)[0]):
        assert np.abs(load_audio(write_wav(wave, tag=3)).samples).max() == pytest.approx(0.99, abs=0.01)


def test_float_file_with_another_full_scale() -> None:
    usual, huge = (load_audio(write_wav(tone(rate=RATE, level=level), tag=3)) for level in (0.5, 16_000))
    assert np.abs(usual.samples - huge.samples).max() < 1e-5
    assert huge.notes == ()


def test_offset_is_taken_away() -> None:
    audio = load_audio(write_wav(tone(rate=RATE, level=0.1) + np.float32(0.7), tag=3))
    assert abs(audio.samples.mean()) < 1e-6
    assert integrated_loudness(audio.samples, RATE) == pytest.approx(-23, abs=0.01)
