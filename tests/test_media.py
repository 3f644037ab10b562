import itertools
import os
from fractions import Fraction
from math import inf
from pathlib import Path

import numpy as np
import pytest
from conftest import shade, shades, tone

from fv2es.limits import Limits
from fv2es.media import LONGER_SIDE, MediaError, open_media, read_picture
from fv2es.media.pictures import Upright
from fv2es.schema import SAMPLE_RATE, Frame, Sound


def read(path: Path, times=(), start: float = 0.0, end: float = inf, limits: Limits | None = None, **more):
    """(waveform, frames, notes) of one pass; sound must have no gaps."""
    with open_media(path, limits) as media:
        events = list(media.read(times, start, end, **more))
        notes = list(media.notes)
    at, blocks = start, [np.zeros(0, np.float32)]
    for event in events:
        if isinstance(event, Sound):
            assert event.time == pytest.approx(at, abs=1e-4)
            blocks.append(event.samples)
            at = event.end
    return np.concatenate(blocks), [event for event in events if isinstance(event, Frame)], notes


def loudness(waveform: np.ndarray) -> float:
    return float(np.sqrt(np.mean(waveform**2)))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov"])
def test_frames_are_those_shown_at_the_times_asked_for(clip, name) -> None:
    path = clip(name, tone(2), shades(20))
    times = [0.0, 0.05, 0.1, 0.15, 0.95, 1.0, 1.03, 1.94]
    _, frames, notes = read(path, times)
    assert [frame.time for frame in frames] == times
    assert [shade(frame.pixels) for frame in frames] == [0, 0, 1, 1, 9, 10, 10, 19]
    assert notes == []


def test_nothing_is_shown_after_the_last_picture(clip) -> None:
    path = clip("a.mp4", None, shades(10))
    _, frames, _ = read(path, itertools.count(0.25, 0.5))
    assert [frame.time for frame in frames] == [0.25, 0.75]


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (48_000, 6)])
def test_sound_becomes_16_khz_mono(clip, rate: int, channels: int) -> None:
    wave = np.stack([tone(1.5, rate=rate)] * channels)
    waveform, _, _ = read(clip("a.wav", wave, rate=rate, codecs=("pcm_s16le", "")))
    assert waveform.dtype == np.float32
    assert len(waveform) == pytest.approx(1.5 * SAMPLE_RATE, abs=40)
    spectrum = np.abs(np.fft.rfft(waveform[:SAMPLE_RATE]))
    assert np.argmax(spectrum) == pytest.approx(440, abs=1)
    assert np.abs(waveform).max() <= 1


def test_sound_that_begins_late_is_preceded_by_silence(clip) -> None:
    waveform, _, _ = read(clip("a.mkv", tone(1), shades(20), sound_at=0.6, codecs=("flac", "libx264")))
    assert loudness(waveform[: int(0.5 * SAMPLE_RATE)]) < 1e-3
    assert loudness(waveform[int(0.7 * SAMPLE_RATE) : int(1.5 * SAMPLE_RATE)]) > 0.2


def test_sound_in_stereo_for_listeners(clip) -> None:
    """Left and right stay apart, a late beginning is silence, and the time is the same at any rate."""
    wave = np.stack([tone(1.5, 440, 44_100), tone(1.5, 880, 44_100)])
    path = clip("a.mkv", wave, shades(20), rate=44_100, codecs=("flac", "libx264"), sound_at=0.5)
    with open_media(path) as media:
        blocks = list(media.read(rate=48_000, channels=2))
    samples = np.concatenate([block.samples for block in blocks])
    assert {block.rate for block in blocks} == {48_000}
    assert blocks[-1].end == pytest.approx(len(samples) / 48_000)
    assert len(samples) == pytest.approx(2.0 * 48_000, abs=100)
    assert loudness(samples[:23_000]) < 1e-3
    spectrum = np.abs(np.fft.rfft(samples[30_000:78_000], axis=0))
    assert np.argmax(spectrum, axis=0).tolist() == [440, 880]
    assert loudness(samples[30_000:]) == pytest.approx(0.5 / 2**0.5, rel=0.05)


def test_the_header_says_how_many_pictures_a_second(clip) -> None:
    with open_media(clip("a.mp4", tone(1), shades(10), fps=25)) as media:
        assert media.fps == pytest.approx(25)
    with open_media(clip("a.wav", tone(1), codecs=("pcm_s16le", ""))) as media:
        assert media.fps is None


@pytest.mark.parametrize(("rotation", "corner"), [(90, (1, 0)), (-90, (0, 1)), (180, (1, 1))])
def test_pictures_stand_upright(clip, rotation: int, corner: tuple[int, int]) -> None:
    """The white quarter is at the upper left before turning (counter-clockwise is positive)."""
    _, frames, _ = read(clip("a.mp4", None, shades(5), rotation=rotation), [0.1])
    pixels = frames[0].pixels
    assert pixels.shape[:2] == ((64, 48) if abs(rotation) == 90 else (48, 64))
    height, width = pixels.shape[:2]
    quarter = pixels[(corner[0] * height) // 2 :, (corner[1] * width) // 2 :][: height // 2, : width // 2]
    assert quarter.mean() > 240 > 200 > pixels.mean()


def test_pixels_become_square(clip) -> None:
    _, frames, _ = read(clip("a.mp4", None, shades(5), aspect=Fraction(2, 1)), [0.1])
    assert frames[0].pixels.shape == (48, 128, 3)


def test_large_pictures_are_scaled_down(clip) -> None:
    _, frames, _ = read(clip("a.mp4", None, shades(2, 1920, 1080)), [0.05])
    assert frames[0].pixels.shape == (720, LONGER_SIDE, 3)


def test_frames_of_any_kind_through_one_scaler_are_those_of_one_each() -> None:
    import av

    upright, draw = Upright(), np.random.default_rng(6)
    sizes = [(1280, 720), (1920, 1080), (640, 360), (1920, 1080)]
    for (width, height), form in itertools.product(sizes, ("yuv420p", "yuv422p10le", "nv12", "rgb24")):
        coarse = draw.integers(0, 256, (height // 20, width // 20, 3), np.uint8).repeat(20, 0).repeat(20, 1)
        for full_range in (1, 2):
            frame = av.VideoFrame.from_ndarray(coarse, format="rgb24").reformat(format=form)
            frame.color_range = full_range
            scale = min(1.0, LONGER_SIDE / width)
            size = {"width": round(width * scale), "height": round(height * scale)}
            plain = frame.reformat(**size, format="rgb24", interpolation="AREA").to_ndarray()
            np.testing.assert_array_equal(upright(frame, None), plain)


def test_a_part_can_be_read(clip) -> None:
    wave = np.concatenate([tone(2, 300), tone(2, 600), tone(2, 900)])
    path = clip("a.mp4", wave, shades(60 // 2, 64, 48), fps=5)
    waveform, frames, _ = read(path, [0.1, 3.1, 3.5, 5.5], start=3.0, end=4.0)
    assert len(waveform) == SAMPLE_RATE
    assert np.argmax(np.abs(np.fft.rfft(waveform))) == pytest.approx(600, abs=2)
    assert [shade(frame.pixels) for frame in frames] == [15, 17]


def test_a_second_pass_gives_the_same(clip) -> None:
    with open_media(clip("a.mp4", tone(2), shades(20))) as media:
        first = list(media.read([0.5, 1.5]))
        second = list(media.read([0.5, 1.5]))
        silent = list(media.read([0.5], sound=False))
    assert [event.time for event in first] == [event.time for event in second]
    for one, two in zip(first, second, strict=True):  # AAC's decoder puts a little noise of its own into the sound
        np.testing.assert_allclose(_array(one), _array(two), atol=0.01)
    assert [type(event) for event in silent] == [Frame]


def _array(event: Sound | Frame) -> np.ndarray:
    return event.samples if isinstance(event, Sound) else event.pixels


def test_sound_alone_and_pictures_alone(clip) -> None:
    with open_media(clip("a.mp3", tone(1), codecs=("libmp3lame", ""))) as media:
        assert (media.has_audio, media.has_video) == (True, False)
        assert not any(isinstance(event, Frame) for event in media.read([0.5]))
    with open_media(clip("b.mp4", None, shades(5))) as media:
        assert (media.has_audio, media.has_video) == (False, True)
        assert [type(event) for event in media.read([0.2])] == [Frame]


def test_a_picture_is_read_upright(tmp_path: Path) -> None:
    from PIL import Image

    picture = Image.fromarray(shades(1)[0])
    exif = picture.getexif()
    exif[0x0112] = 6  # turned by a quarter: how phones store portraits
    picture.save(tmp_path / "a.jpg", exif=exif, quality=95)
    frame = read_picture(tmp_path / "a.jpg")
    assert frame.pixels.shape == (64, 48, 3)
    assert frame.pixels[:32, 24:].mean() > 240
    with open_media(tmp_path / "a.jpg") as media:
        assert media.is_picture
        assert len(list(media.read())) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.mp4", "ffconcat version 1.0\nfile 'neighbour.wav'\n"),
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nneighbour.wav\n#EXT-X-ENDLIST\n"),
        ("call.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n"),
        ("words.mp4", "this is no video at all\n" * 50),
        ("zeros.mp4", "\0" * 4096),
    ],
)
def test_a_file_may_only_open_itself(clip, tmp_path: Path, name: str, text: str) -> None:
    clip("neighbour.wav", tone(1), codecs=("pcm_s16le", ""))
    (tmp_path / name).write_text(text)
    with pytest.raises(MediaError, match="could not be read"):
        open_media(tmp_path / name)


@pytest.mark.parametrize("name", ["concat:a|b", "http://127.0.0.1:1/a.mp4", "pipe:0", "missing.mp4", "a\0b"])
def test_names_are_files_and_nothing_else(name: str) -> None:
    with pytest.raises(MediaError, match="no such file"):
        open_media(name)


def test_folders_empty_files_and_pipes_are_no_media(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    os.mkfifo(tmp_path / "pipe.mp4")
    for name, sentence in (("", "not a file"), ("empty.mp4", "empty"), ("pipe.mp4", "not a file")):
        with pytest.raises(MediaError, match=sentence):
            open_media(tmp_path / name)


@pytest.mark.parametrize("share", [0.002, 0.3, 0.6, 0.9])
def test_a_truncated_file_gives_what_is_left_or_one_sentence(clip, tmp_path: Path, share: float) -> None:
    whole = clip("a.mkv", tone(3), shades(30)).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: int(len(whole) * share)])
    if share < 0.01:
        with pytest.raises(MediaError, match=r"^[^/]*\.$"):  # one sentence, no path
            read(tmp_path / "cut.mkv")
        return
    waveform, frames, _ = read(tmp_path / "cut.mkv", itertools.count(0.25, 0.5))
    assert len(waveform) == pytest.approx(3 * share * SAMPLE_RATE, abs=0.6 * SAMPLE_RATE)
    assert len(frames) == pytest.approx(6 * share, abs=1.3)


def test_limits_each_have_their_own_sentence(clip) -> None:
    path = clip("a.mp4", tone(3), shades(30))
    with pytest.raises(MediaError, match="too large"):
        open_media(path, Limits(max_bytes=100))
    with pytest.raises(MediaError, match="64×48 pixels"):
        open_media(path, Limits(max_width=32, max_height=32))
    with pytest.raises(MediaError, match="3 pictures a second"):
        read(path, [2.5], limits=Limits(max_fps=3))
    waveform, frames, notes = read(path, itertools.count(0.25, 0.5), limits=Limits(max_seconds=1.0))
    assert (len(waveform), [frame.time for frame in frames]) == (SAMPLE_RATE, [0.25, 0.75])
    assert notes == ["Only the first 1 seconds were read; the rest was skipped."]
    _, frames, notes = read(path, itertools.count(0.25, 0.5), limits=Limits(max_frames=12))
    assert len(frames) <= 3
    assert "too many pictures" in notes[0]
    _, _, notes = read(path, limits=Limits(decode_seconds=1e-9))
    assert "too long to decode" in notes[0]


REST = ["Only the first 2 seconds were read; the rest was skipped."]


@pytest.mark.parametrize(
    ("heard", "seen", "told"),
    [(4, 4, REST), (1, 4, REST), (4, 1, REST), (2, 2, []), (2, 1.8, []), (1.8, 2, []), (0, 4, REST), (0, 1.9, [])],
)
def test_what_is_left_out_is_told_and_nothing_else(clip, heard: float, seen: float, told: list[str]) -> None:
    path = clip("a.mp4", tone(heard) if heard else None, shades(round(10 * seen)))
    assert read(path, itertools.count(0.25, 0.5), limits=Limits(max_seconds=2.0))[2] == told


def test_a_sound_that_lasts_just_as_long_is_whole(clip) -> None:
    plain = {"codecs": ("pcm_s16le", "")}
    assert read(clip("a.wav", tone(2), **plain), limits=Limits(max_seconds=2.0))[2] == []
    assert read(clip("a.wav", tone(2.5), **plain), limits=Limits(max_seconds=2.0))[2] == REST


def test_limits_may_be_none(clip) -> None:
    none = Limits(**dict.fromkeys(("max_bytes", "max_width", "max_height", "max_fps", "max_frames"), inf))
    waveform, frames, notes = read(clip("a.mp4", tone(1), shades(10)), [0.25], limits=none)
    assert (len(frames), notes) == (1, [])
    assert len(waveform)


def test_width_and_height_may_change_places(clip) -> None:
    path = clip("a.mp4", None, shades(2, 48, 64))
    assert open_media(path, Limits(max_width=64, max_height=48)).has_video


def test_closed_is_closed(clip) -> None:
    media = open_media(clip("a.mp4", tone(1)))
    media.close()
    media.close()
    with pytest.raises(ValueError, match="closed"):
        list(media.read())
