"""What is no usable sound, each with its own clear error; and real files with random damage."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sound_files import chirps, to_int16, tone, write_sound, write_video, write_wav

from bouba.errors import (
    FetchRefused,
    MediaCorrupt,
    MediaEmpty,
    MediaError,
    MediaMissing,
    MediaTooLarge,
    MediaUnsupported,
)
from bouba.media import AudioLimits, load_audio
from bouba.media.containers import Container
from bouba.media.decoding import decode_sound

JARGON = re.compile(r"[A-Z]\w+(Error|Exception|Warning)\b|Traceback|0x[0-9a-f]{6}|avcodec|_io\.|<none>|Errno")
NOISE = np.random.default_rng(5).bytes(20_000)
PCM = to_int16(tone(rate=16_000))


def picture(format: str) -> bytes:
    out = BytesIO()
    Image.effect_noise((64, 64), 50).convert("RGB").save(out, format)
    return out.getvalue()


def zipped() -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.wav", write_wav(PCM))
    return out.getvalue()


def m4a(**options: str) -> bytes:
    return write_sound(tone(), "ipod", "aac", **options)


def with_rate(rate: int) -> bytes:
    return write_wav(PCM, rate)


def broken_floats(value: float) -> bytes:
    wave = tone(rate=16_000)
    wave[5000] = value
    return write_wav(wave, tag=3)


Bad = tuple[Callable[[], bytes], type[MediaError], str]
BAD_BYTES: dict[str, Bad] = {
    "empty": (lambda: b"", MediaEmpty, "0 bytes"),
    "text": (lambda: b"This is no sound.\n", MediaUnsupported, "this is text"),
    "utf-16 text": (lambda: "This is no sound.".encode("utf-16"), MediaUnsupported, "bouba hears WAV"),
    "web page": (lambda: b"<!DOCTYPE html><html><body>404</body></html>", MediaUnsupported, "a web page"),
    "jpeg": (lambda: picture("JPEG"), MediaUnsupported, "a JPEG picture"),
    "png": (lambda: picture("PNG"), MediaUnsupported, "a PNG picture"),
    "webp": (lambda: picture("WEBP"), MediaUnsupported, "a WebP picture"),
    "avif": (lambda: picture("AVIF"), MediaUnsupported, "an AVIF picture"),
    "pdf": (lambda: b"%PDF-1.7\n%...", MediaUnsupported, "a PDF document"),
    "zip": (zipped, MediaUnsupported, "a zip archive"),
    "svg": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", MediaUnsupported, "an SVG drawing"),
    "xml": (lambda: b"<?xml version='1.0'?><MPD/>", MediaUnsupported, "an XML document"),
    "midi": (lambda: b"MThd\0\0\0\6", MediaUnsupported, "a MIDI file"),
    "avi": (lambda: b"RIFF\0\0\0\0AVI LIST", MediaUnsupported, "an AVI video"),
    "wma": (lambda: b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + NOISE, MediaUnsupported, "Windows Media"),
    "random bytes": (lambda: b"\x01" + NOISE, MediaUnsupported, "of an unknown kind"),
    "riff, then noise": (lambda: b"RIFF\0\0\0\0WAVE" + NOISE, MediaCorrupt, "within its header"),
    "OggS, then noise": (lambda: b"OggS" + NOISE, MediaCorrupt, "Ogg file: cut off or damaged"),
    "fLaC, then noise": (lambda: b"fLaC" + NOISE, MediaCorrupt, "FLAC file: cut off or damaged"),
    "EBML, then noise": (lambda: b"\x1aE\xdf\xa3" + NOISE, MediaCorrupt, "Matroska file: cut off or damaged"),
    "ftyp, then noise": (lambda: b"\0\0\0\x18ftypM4A " + NOISE, MediaCorrupt, "MP4 file: cut off or damaged"),
    "ID3, then noise": (lambda: b"ID3\4\0\0\0\0\0\0" + NOISE, MediaCorrupt, "MP3 file"),
    "mp3 frame, then noise": (lambda: b"\xff\xfb\x90\x00" + NOISE, MediaCorrupt, "MP3 file"),
    "riff alone": (lambda: write_wav(PCM)[:12], MediaCorrupt, "within its header"),
    "wav, header alone": (lambda: write_wav(PCM)[:44], MediaEmpty, "no sound after it"),
    "wav of 4 GB without data": (lambda: write_wav(PCM[:0], size=2**32 - 1), MediaEmpty, "no sound after it"),
    "wav without data": (lambda: write_wav(PCM[:0]), MediaEmpty, "no sound after it"),
    "wav with 0 channels": (lambda: write_wav(PCM, channels=0), MediaCorrupt, "0 channels at 16000 Hz"),
    "wav with 65,535 channels": (lambda: write_wav(PCM, channels=65_535), MediaTooLarge, "65,535 channels, the limit"),
    "wav with 12 channels": (
        lambda: write_wav(np.tile(PCM[:, None], 12)),
        MediaTooLarge,
        "12 channels, the limit is 8",
    ),
    "rate 0": (lambda: with_rate(0), MediaCorrupt, "1 channels at 0 Hz"),
    "rate 1": (lambda: with_rate(1), MediaUnsupported, "a sample rate of 1 Hz"),
    "rate 10^9": (lambda: with_rate(10**9), MediaUnsupported, "a sample rate of 1,000,000,000 Hz"),
    "codec that is not heard": (lambda: write_wav(PCM, tag=0x161), MediaUnsupported, "coded as wmav2"),
    "codec that nobody knows": (lambda: write_wav(PCM, tag=0x7777), MediaUnsupported, "coded as something unknown"),
    "mp3, header alone": (lambda: write_sound(tone(), "mp3", "libmp3lame")[:60], MediaCorrupt, "MP3 file"),
    "m4a, cut before its index": (lambda: m4a()[:9000], MediaCorrupt, "MP4 file: cut off or damaged"),
    "m4a, encrypted": (lambda: m4a().replace(b"mp4a", b"enca"), MediaUnsupported, "encrypted"),
    "m4a, from a shop": (lambda: m4a().replace(b"mp4a", b"drms"), MediaUnsupported, "encrypted"),
    "video without sound": (lambda: write_video("mp4", "libx264", None), MediaEmpty, "a video without sound"),
    "webm without sound": (lambda: write_video("webm", "libvpx", None), MediaEmpty, "a video without sound"),
    "too short": (lambda: write_wav(PCM[:1599]), MediaEmpty, "99.9 ms of sound is too short"),
    "silence": (lambda: write_wav(0 * PCM), MediaEmpty, "silent: nothing in 1.0 s is above -60 dB"),
    "nearly silence": (lambda: write_wav(PCM // 600), MediaEmpty, "silent"),
    "offset and nothing else": (lambda: write_wav(0 * PCM + 9000), MediaEmpty, "silent"),
    "NaN": (lambda: broken_floats(float("nan")), MediaCorrupt, "no numbers"),
    "infinity": (lambda: broken_floats(float("inf")), MediaCorrupt, "no numbers"),
    "double beyond float": (
        lambda: write_wav(tone(rate=16_000).astype(np.float64) * 1e300, tag=3),
        MediaCorrupt,
        "no numbers",
    ),
}


@pytest.mark.parametrize("name", BAD_BYTES)
def test_bad_file_ends_in_its_own_error(tmp_path: Path, name: str) -> None:
    make, expected, words = BAD_BYTES[name]
    path = tmp_path / "sound.wav"
    path.write_bytes(make())
    with pytest.raises(MediaError, match=words) as caught:
        load_audio(path)
    assert isinstance(caught.value, expected)
    message = str(caught.value)
    assert "sound.wav" in message
    assert message.endswith(".")
    assert not JARGON.search(message)


def test_no_two_kinds_of_bad_file_share_a_whole_message() -> None:
    messages = set()
    for make, _, _ in BAD_BYTES.values():
        with pytest.raises(MediaError) as caught:
            load_audio(make() or b"\0")
        messages.add(str(caught.value).partition(": ")[2])
    assert len(messages) >= 30


SOURCES: dict[str, tuple[Callable[[Path], Any], type[MediaError], str]] = {
    "missing": (lambda folder: folder / "missing.wav", MediaMissing, "no such file"),
    "folder": (lambda folder: folder, MediaMissing, "a folder, not a file"),
    "URL without fetch": (lambda _: "https://example.org/a.mp3", FetchRefused, "fetch=True"),
    "file URL": (lambda _: "file:///etc/hosts", FetchRefused, "only http"),
    "None": (lambda _: None, MediaUnsupported, "NoneType cannot be read"),
    "number": (lambda _: 7, MediaUnsupported, "int cannot be read"),
    "array": (lambda _: np.zeros(9), MediaUnsupported, "ndarray cannot be read"),
    "text file object": (lambda _: StringIO("RIFF"), MediaUnsupported, "Open the file with 'rb'"),
    "NUL in the name": (lambda _: "a\0.wav", MediaMissing, "no file can have this name"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_source_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    make, expected, words = SOURCES[name]
    with pytest.raises(expected, match=words):
        load_audio(make(tmp_path))


def test_closed_file_and_file_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(write_wav(PCM))
    with path.open("rb") as file:
        file.read()
        with pytest.raises(MediaEmpty, match=r"seek\(0\)"):
            load_audio(file)
    with pytest.raises(MediaMissing, match="cannot be read"):
        load_audio(file)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_named_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(MediaMissing, match="named pipe"):
        load_audio(tmp_path / "pipe.wav")


def playlists(secret: Path) -> dict[str, bytes]:
    target = str(secret).encode()
    return {
        "m3u8": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n" + target + b"\n#EXT-X-ENDLIST\n",
        "ffconcat": b"ffconcat version 1.0\nfile '" + target + b"'\n",
        "concat": b"concat:" + target,
        "dash": b"<?xml version='1.0'?><MPD><BaseURL>" + target + b"</BaseURL></MPD>",
        "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
        "m3u8 behind a tag": b"ID3\4\0\0\0\0\0\0#EXTM3U\n#EXTINF:9,\n" + target + b"\n",
        "m3u8 in mp4 clothes": b"\0\0\0\x10ftypM4A \0\0\0\0#EXTM3U\n#EXTINF:9,\n" + target + b"\n",
    }


@pytest.mark.parametrize("name", playlists(Path()))
def test_file_that_names_another_file_does_not_get_it(tmp_path: Path, name: str) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(write_wav(PCM))
    with pytest.raises((MediaUnsupported, MediaCorrupt, MediaEmpty)):
        load_audio(playlists(secret)[name])


@pytest.mark.parametrize(("demuxer", "name"), [("hls", "m3u8"), ("concat", "ffconcat")])
def test_second_wall_behind_the_choice_of_demuxers(tmp_path: Path, demuxer: str, name: str) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(write_wav(PCM))
    with pytest.raises((MediaUnsupported, MediaCorrupt), match=r"which is not opened|not permitted"):
        decode_sound(playlists(secret)[name], Container("other", demuxer), AudioLimits())


VALID = {
    "wav": write_wav(PCM[:4000]),
    "aiff": write_sound(tone(seconds=0.3), "aiff", "pcm_s16be"),
    "flac": write_sound(chirps(0.3), "flac", "flac"),
    "ogg opus": write_sound(chirps(3), "ogg", "libopus"),
    "ogg vorbis": write_sound(chirps(3), "ogg", "vorbis", layout="stereo", strict="experimental"),
    "mp3": write_sound(chirps(0.5), "mp3", "libmp3lame"),
    "adts": write_sound(chirps(0.5), "adts", "aac"),
    "m4a": write_sound(chirps(0.5), "ipod", "aac"),
    "alac": write_sound(chirps(0.3), "ipod", "alac"),
    "webm": write_sound(chirps(0.5), "webm", "libopus"),
    "mka": write_sound(chirps(0.5), "matroska", "ac3", layout="5.1"),
    "video": write_video("mp4", "libx264", tone(seconds=0.5)),
}
MUTATIONS = 30  # of each


@pytest.mark.parametrize("name", VALID)
def test_damage_is_a_media_error_or_decodes(name: str) -> None:
    data = VALID[name]
    assert load_audio(data).seconds > 0.2
    random = np.random.default_rng(list(name.encode()))
    decoded = 0
    for _ in range(MUTATIONS):
        with suppress(MediaError):
            audio = load_audio(_damage(data, random), limits=AudioLimits(max_seconds=100, max_decode_s=20))
            assert np.isfinite(audio.samples).all()
            assert np.abs(audio.samples).max() < 1
            decoded += 1
    assert 0 < decoded < MUTATIONS


def _damage(data: bytes, random: np.random.Generator) -> bytes:
    damaged = bytearray(data)
    for _ in range(random.integers(1, 8)):
        # Half of it goes where the headers are: the first and the last bytes.
        spots = (len(data), min(len(data), 300), -min(len(data), 900))
        reach = int(spots[random.integers(3)])
        at = int(random.integers(reach) if reach > 0 else len(data) + random.integers(reach, 0))
        patch = random.bytes(int(random.integers(1, 5))) if random.random() < 0.7 else b"\xff" * 4
        damaged[at : at + len(patch)] = patch
    return bytes(damaged[: int(len(damaged) * (1 if random.random() < 0.7 else random.random()))])
