from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from sound_files import Wave, chirps, to_int16, tone, write_sound, write_video, write_wav

from bouba.errors import MediaEmpty, MediaError, MediaTooLarge
from bouba.media import Audio, AudioLimits, load_audio
from bouba.media.audio import RATE

WAV16 = write_wav(to_int16(tone(rate=RATE)))
STEREO_VORBIS = {"layout": "stereo", "strict": "experimental"}  # all that FFmpeg's own encoder can do

SOUNDS: dict[str, tuple[str, str, dict[str, str]]] = {
    "wav": ("wav", "pcm_s16le", {}),
    "wav, 8 bits": ("wav", "pcm_u8", {}),
    "wav, 24 bits": ("wav", "pcm_s24le", {}),
    "wav, 32 bits": ("wav", "pcm_s32le", {}),
    "wav, float": ("wav", "pcm_f32le", {}),
    "wav, double": ("wav", "pcm_f64le", {}),
    "wav, A-law": ("wav", "pcm_alaw", {}),
    "wav, 5.1": ("wav", "pcm_s16le", {"layout": "5.1"}),
    "rf64": ("wav", "pcm_s16le", {"rf64": "always"}),
    "aiff": ("aiff", "pcm_s16be", {}),
    "flac": ("flac", "flac", {}),
    "ogg vorbis": ("ogg", "vorbis", STEREO_VORBIS),
    "ogg opus": ("ogg", "libopus", {}),
    "ogg flac": ("ogg", "flac", {}),
    "mp3": ("mp3", "libmp3lame", {}),
    "mp3 without header": ("mp3", "libmp3lame", {"write_xing": "0", "id3v2_version": "0"}),
    "adts aac": ("adts", "aac", {}),
    "m4a": ("ipod", "aac", {"layout": "stereo"}),
    "m4a in fragments": ("mp4", "aac", {"movflags": "frag_keyframe+empty_moov"}),
    "m4a alac": ("ipod", "alac", {}),
    "webm opus": ("webm", "libopus", {}),
    "webm as recorded live": ("webm", "libopus", {"live": "1"}),
    "webm vorbis": ("webm", "vorbis", STEREO_VORBIS),
    "mka": ("matroska", "ac3", {"layout": "5.1"}),
}
VIDEOS = [
    ("mp4", "libx264", "aac"),
    ("mov", "mpeg4", "aac"),
    ("matroska", "libx264", "libmp3lame"),
    ("webm", "libvpx", "libopus"),
]


def sound(name: str, wave: Wave, rate: int = 48_000) -> bytes:
    container, codec, options = SOUNDS[name]
    return write_sound(wave, container, codec, rate, **options)


def loudest_hz(audio: Audio) -> float:
    spectrum = np.abs(np.fft.rfft(audio.samples * np.hanning(len(audio.samples))))
    return float(spectrum.argmax() * RATE / len(audio.samples))


def log_spectrum(audio: Audio) -> Wave:
    """[60] of the middle second, without its mean."""
    power = np.abs(np.fft.rfft(audio.samples[RATE // 2 : RATE // 2 + RATE])) ** 2
    bands = np.log(power[100:7900].reshape(60, -1).mean(axis=1) + 1e-3)
    return bands - bands.mean()


@pytest.mark.parametrize("name", SOUNDS)
def test_tone_and_length_survive_every_format(name: str) -> None:
    audio = load_audio(sound(name, tone(1000)))
    assert audio.samples.dtype == np.float32
    assert audio.samples.ndim == 1
    assert audio.seconds == pytest.approx(1.0, abs=0.04)  # raw codecs keep the padding of their frames
    assert len(audio.samples) == pytest.approx(audio.seconds * RATE, abs=1)
    assert loudest_hz(audio) == pytest.approx(1000, abs=2)
    assert audio.notes == ()


@pytest.mark.parametrize("name", SOUNDS)
def test_spectrum_is_that_of_the_wav(name: str) -> None:
    wav = log_spectrum(load_audio(sound("wav", chirps())))
    other = log_spectrum(load_audio(sound(name, chirps())))
    assert wav @ other / np.linalg.norm(wav) / np.linalg.norm(other) > 0.99


@pytest.mark.parametrize(("container", "pictures", "codec"), VIDEOS)
def test_sound_of_a_video(container: str, pictures: str, codec: str) -> None:
    audio = load_audio(write_video(container, pictures, tone(1000), codec))
    assert audio.seconds == pytest.approx(1.0, abs=0.03)
    assert loudest_hz(audio) == pytest.approx(1000, abs=2)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000])
def test_rates(rate: int) -> None:
    audio = load_audio(write_wav(to_int16(tone(1000, rate=rate)), rate))
    assert len(audio.samples) == pytest.approx(RATE, abs=1)
    assert loudest_hz(audio) == pytest.approx(1000, abs=2)
    assert audio.seconds == 1.0


def test_what_is_over_half_the_rate_is_filtered_out() -> None:
    both = tone(12_000, level=0.4) + tone(1000, level=0.1)
    spectrum = np.abs(np.fft.rfft(load_audio(write_wav(both, 48_000, tag=3)).samples))
    alias = spectrum[RATE - 12_000 - 5 : RATE - 12_000 + 6].max()
    assert alias < spectrum[1000] * 1e-3


def test_channels_are_mixed() -> None:
    left, right = tone(500, level=0.3), tone(2000, level=0.3)
    spectrum = np.abs(np.fft.rfft(load_audio(write_wav(np.stack([left, right], axis=1), 48_000, tag=3)).samples))
    assert spectrum[500] == pytest.approx(spectrum[2000], rel=0.02)
    three = np.stack([left, right, 0 * left], axis=1)
    assert loudest_hz(load_audio(write_wav(three, 48_000, tag=3))) in (500.0, 2000.0)


@pytest.mark.parametrize("kind", ["path", "text path", "bytes", "file", "BytesIO"])
def test_sources_give_the_same(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.mp3"  # the name says nothing
    path.write_bytes(WAV16)
    with path.open("rb") as file:
        source = {"path": path, "text path": str(path), "bytes": WAV16, "file": file, "BytesIO": BytesIO(WAV16)}[kind]
        assert np.array_equal(load_audio(source).samples, load_audio(WAV16).samples)


@pytest.mark.parametrize("name", ["mp3", "ogg opus", "m4a", "wav, 5.1"])
def test_same_bytes_give_the_same_samples_in_any_thread(name: str) -> None:
    data = sound(name, chirps())
    first = load_audio(data).samples
    with ThreadPoolExecutor(4) as pool:
        for again in pool.map(lambda _: load_audio(data).samples, range(8)):
            assert np.array_equal(first, again)


def test_change_of_rate_and_channels_in_mid_stream() -> None:
    plain = {"write_xing": "0", "id3v2_version": "0"}
    first = write_sound(tone(1000, rate=44_100), "mp3", "libmp3lame", 44_100, **plain)
    second = write_sound(tone(1000, rate=22_050), "mp3", "libmp3lame", 22_050, layout="stereo", **plain)
    audio = load_audio(first + second)
    assert audio.seconds == pytest.approx(2.0, abs=0.2)
    assert len(audio.samples) == pytest.approx(audio.seconds * RATE, abs=3)
    for half in (audio.samples[: RATE * 9 // 10], audio.samples[-RATE * 9 // 10 :]):
        assert loudest_hz(Audio(half, 0.9, ())) == pytest.approx(1000, abs=3)


@pytest.mark.parametrize(
    ("name", "kept"), [("wav", 0.5), ("flac", 0.5), ("ogg flac", 0.5), ("mp3", 0.5), ("webm opus", 0.5), ("aiff", 0.4)]
)
def test_cut_file_is_used_as_far_as_it_goes(name: str, kept: float) -> None:
    data = sound(name, chirps())
    audio = load_audio(data[: int(len(data) * kept)])
    assert audio.seconds == pytest.approx(2 * kept, abs=0.3)
    if name != "ogg flac":  # a page of Ogg does not say how many follow
        assert "cut" in audio.notes[0]


def test_header_of_a_pipe_is_no_cut() -> None:
    samples = to_int16(tone(rate=RATE))
    assert load_audio(write_wav(samples, size=2**32 - 1)).notes == ()
    (note,) = load_audio(write_wav(samples, size=2 * 10**6)).notes
    assert note == "cut off: the file ends in the middle, after 1.0 s."


def test_damage_in_the_middle_is_noted() -> None:
    data = bytearray(sound("flac", chirps(4)))
    for at in range(len(data) // 4, len(data), len(data) // 8):
        data[at : at + 500] = bytes(500)
    audio = load_audio(bytes(data))
    assert 1 < audio.seconds <= 4
    assert "could" in audio.notes[0]


@pytest.mark.parametrize(
    "write",
    [
        lambda wave: write_wav(to_int16(wave)),
        lambda wave: write_wav(to_int16(wave).astype(np.int32) << 16),
        lambda wave: write_wav(np.clip(wave, -1, 1), tag=3),
        lambda wave: write_sound(np.clip(wave, -1, 1), "flac", "flac", RATE),
    ],
    ids=["16 bits", "32 bits", "float", "flac"],
)
def test_clipping_is_noted(write: Callable[[Wave], bytes]) -> None:
    (note,) = load_audio(write(tone(rate=RATE, level=2.0))).notes
    share = float(note.split("%")[0].split()[-1])
    assert share == pytest.approx(66.7, abs=1.5)  # a sine is above half its peak two thirds of the time
    assert load_audio(write(tone(rate=RATE, level=0.99))).notes == ()


def test_limits_are_inclusive() -> None:
    assert load_audio(WAV16, limits=AudioLimits(max_seconds=1.0, max_channels=1, max_decoded_bytes=32_000))
    for limits, name in [
        (AudioLimits(max_seconds=0.99), "max_seconds"),
        (AudioLimits(max_channels=0), "max_channels"),
        (AudioLimits(max_decoded_bytes=31_999), "max_decoded_bytes"),
        (AudioLimits(max_decode_s=0), "max_decode_s"),
        (AudioLimits(max_bytes=len(WAV16) - 1), "max_bytes"),
    ]:
        with pytest.raises(MediaTooLarge, match=rf"raise AudioLimits\.{name}\.$"):
            load_audio(WAV16, limits=limits)


def test_highly_compressed_hours_stop_at_the_limit() -> None:
    hours = sound("flac", np.zeros(20 * 48_000, np.float32))
    assert len(hours) < 60_000
    with pytest.raises(MediaTooLarge, match="longer than 10 s"):
        load_audio(hours, limits=AudioLimits(max_seconds=10))


def test_channels_that_cancel_each_other() -> None:
    wave = tone(rate=RATE)
    with pytest.raises(MediaEmpty, match="cancel each other"):
        load_audio(write_wav(np.stack([wave, -wave], axis=1), tag=3))


def test_nothing_is_left_behind(capfd: pytest.CaptureFixture[str]) -> None:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no list of open files here")
    sources = [sound("mp3", tone()), sound("m4a", tone())[:9000], WAV16, b"RIFF0000WAVEfmt "]
    load_audio(WAV16)
    before = len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task")), threading.active_count()
    for data in 5 * sources:
        with suppress(MediaError):
            load_audio(data)
    assert (len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task")), threading.active_count()) == before
    assert capfd.readouterr() == ("", "")
