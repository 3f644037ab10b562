"""The annotated video, read back: its picture, bars and sound, and that nothing is left of one that was stopped."""

from __future__ import annotations

import threading
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import RATE, shade, shades, tone
from made_up import made_up_reading
from test_takeaway_files import CALM, NASTY, a_result

from fv2es.emotions import COLOURS
from fv2es.limits import Limits
from fv2es.media import MediaError
from fv2es.takeaway import annotate, fonts
from fv2es.takeaway.fonts import font_for
from fv2es.takeaway.layout import LONGER_SIDE, arrange
from fv2es.takeaway.mp4 import ENCODERS, best_encoder
from fv2es.takeaway.panel import BACKGROUND, Panel, faded, rgb, wrap
from fv2es.takeaway.video import fit, frame_rate

HAPPY = (0.02, 0.01, 0.08, 0.91, 0.05, 0.04)
SAD = (0.02, 0.01, 0.08, 0.05, 0.9, 0.04)
SIZE = (1280, 282)


def two_utterances(**more) -> dict:
    readings = [
        made_up_reading(0, 0.5, 1.0, probabilities=HAPPY, text="One.", faces=0, attention=False),
        made_up_reading(1, 1.5, 2.0, probabilities=SAD, text="Two.", faces=0, attention=False),
    ]
    return a_result(*readings, **{"duration": 2.0} | more).document()


def drawn(clip: Path, document: dict | None = None, **more) -> Path:
    """The annotated video of a clip; whatever else was there stays alone there."""
    target = clip.with_name(f"{clip.name}-annotated.mp4")
    before = set(clip.parent.iterdir())
    shares = list(annotate(clip, document or two_utterances(), target, **more))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert set(clip.parent.iterdir()) - before == {target}
    return target


class Seen:
    """A video as a player has it. pictures: time → (height, width, 3) RGB; sound: (n,) of the left channel."""

    def __init__(self, path: Path) -> None:
        import av

        with av.open(str(path)) as file:
            self.kinds = {stream.type: stream.codec_context.name for stream in file.streams}
            self.lengths = {stream.type: float(stream.duration * stream.time_base) for stream in file.streams}
            video = file.streams.video[0]
            self.rate, self.size = video.average_rate, (video.width, video.height)
            self.space = (int(video.codec_context.colorspace), int(video.codec_context.color_range))
            self.pictures = {frame.time: frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)}
        self.sound, self.sound_rate = np.zeros(0), 48_000
        if "audio" in self.kinds:
            with av.open(str(path)) as file:
                frames = list(file.decode(audio=0))
            self.sound_rate, self.channels = frames[0].sample_rate, len(frames[0].layout.channels)
            self.sound = np.concatenate([frame.to_ndarray()[0] for frame in frames])
            self.sound_at = frames[0].time

    def at(self, time: float) -> np.ndarray:
        return self.pictures[max(one for one in self.pictures if one <= time + 1e-6)]


def share_of(pixels: np.ndarray, colour: tuple[int, int, int]) -> float:
    """How much of a picture has this colour, as well as a codec keeps it."""
    return float((np.abs(pixels.astype(int) - colour).max(axis=2) < 24).mean())


def test_picture_bars_and_sound(clip):
    sound = np.concatenate([np.zeros(RATE // 2, np.float32), tone(0.5), np.zeros(RATE, np.float32)])
    seen = Seen(drawn(clip("a.mp4", sound, shades(20, 96, 54))))
    assert seen.kinds == {"video": "h264", "audio": "aac"}
    assert seen.rate == 10
    assert seen.lengths["video"] == pytest.approx(2.0, abs=0.15)
    assert seen.lengths["audio"] == pytest.approx(2.0, abs=0.15)
    width, height = seen.size
    assert (width, height) == (640, 508)
    picture, panel = slice(0, 360), slice(372, None)
    for time in (0.0, 0.75, 1.25, 1.9):
        assert shade(seen.at(time)[picture]) == pytest.approx(10 * time, abs=1.1)
    happy, sad = rgb(COLOURS["happy"]), rgb(COLOURS["sad"])
    assert share_of(seen.at(0.2)[panel], happy) == share_of(seen.at(0.2)[panel], sad) == 0  # nobody has spoken yet
    assert share_of(seen.at(0.7)[panel], happy) > 0.01 > share_of(seen.at(0.7)[panel], sad) == 0
    assert share_of(seen.at(1.2)[panel], happy) == 0  # over, so faded
    pale = faded(np.array([[happy]], np.uint8))[0, 0]
    assert share_of(seen.at(1.2)[panel], tuple(map(int, pale))) > 0.01
    assert share_of(seen.at(1.7)[panel], sad) > 0.01 > share_of(seen.at(1.7)[panel], happy) == 0
    loud = np.abs(seen.sound) > 0.1
    onset, end = np.flatnonzero(loud)[[0, -1]] / seen.sound_rate + seen.sound_at
    assert onset == pytest.approx(0.5, abs=0.03)
    assert end == pytest.approx(1.0, abs=0.03)
    assert (seen.sound_rate, seen.channels) == (48_000, 2)


def test_browsers_can_begin_before_they_have_all_of_it(clip):
    data = drawn(clip("a.mp4", tone(2), shades(20))).read_bytes()
    assert data[4:8] == b"ftyp"
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_colours_are_those_of_the_clip(clip):
    """Written and marked as BT.709, so that no player has to guess."""
    red = np.zeros((72, 128, 3), np.uint8)
    red[:] = (200, 40, 30)
    seen = Seen(drawn(clip("a.mp4", None, [red] * 10)))
    assert seen.space == (1, 1)
    shown = seen.at(0.5)[20:340, 20:620].reshape(-1, 3).mean(axis=0)
    assert np.abs(shown - (200, 40, 30)).max() < 12
    assert seen.kinds.keys() == {"video"}


def test_a_rotated_clip_stands_upright_with_the_panel_beside_it(clip):
    seen = Seen(drawn(clip("a.mp4", tone(1), shades(10, 160, 90), rotation=-90)))
    width, height = seen.size
    layout = arrange(90, 160)
    assert (width, height) == (layout.width, layout.height)
    assert layout.panel.left == layout.picture.width
    picture = seen.at(0.7)[: layout.picture.height, : layout.picture.width]
    top, left = picture.shape[0] // 2, picture.shape[1] // 2
    corners = [picture[:top, :left], picture[:top, left:], picture[top:, :left], picture[top:, left:]]
    assert [corner.mean() > 240 for corner in corners] == [False, True, False, False]
    assert share_of(seen.at(0.7)[:, layout.panel.left :], rgb(COLOURS["happy"])) > 0.01


def test_sound_alone(clip):
    sound = np.concatenate([np.zeros(RATE, np.float32), tone(1)])
    seen = Seen(drawn(clip("a.wav", sound, codecs=("pcm_s16le", ""))))
    assert seen.kinds.keys() == {"video", "audio"}
    assert seen.lengths["video"] == pytest.approx(2.0, abs=0.1)
    card = slice(0, 540)
    assert share_of(seen.at(0.3)[card], rgb(BACKGROUND)) > 0.97
    assert share_of(seen.at(1.96)[card], rgb(COLOURS["sad"])) > 0.02  # what is loud has its emotion's colour
    assert share_of(seen.at(0.7)[552:], rgb(COLOURS["happy"])) > 0.01


def test_sound_that_outlasts_the_pictures(clip):
    seen = Seen(drawn(clip("a.mp4", tone(2), shades(10, 96, 54))))
    assert seen.lengths["video"] == pytest.approx(2.0, abs=0.15)
    assert shade(seen.at(1.9)[:360]) == pytest.approx(9, abs=1.1)
    assert share_of(seen.at(1.7)[372:], rgb(COLOURS["sad"])) > 0.01


def test_a_still_picture(tmp_path):
    from PIL import Image

    path = tmp_path / "a.png"
    Image.fromarray(shades(1, 99, 77)[0]).save(path)
    document = a_result(made_up_reading(0, 0.0, 1.0, voice=False, text=""), duration=1.0).document()
    seen = Seen(drawn(path, document))
    assert seen.lengths == {"video": pytest.approx(3.0, abs=0.1)}


@pytest.mark.parametrize("size", [(67, 45), (45, 67), (50, 50), (200, 18), (18, 200)])
def test_odd_sizes(clip, size):
    seen = Seen(drawn(clip("a.mkv", None, shades(3, *size), codecs=("aac", "mjpeg"))))
    assert all(side % 2 == 0 and side <= LONGER_SIDE for side in seen.size)


def test_no_utterance(clip):
    seen = Seen(drawn(clip("a.mp4", tone(1), shades(10)), a_result(readings=(), duration=1.0).document()))
    assert len(seen.pictures) == 10


def test_only_what_was_analysed_is_drawn(clip):
    seen = Seen(drawn(clip("a.mp4", tone(4), shades(40)), limits=Limits(max_seconds=2.0)))
    assert seen.lengths["video"] == pytest.approx(2.0, abs=0.15)
    assert seen.lengths["audio"] == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize("text", [*NASTY, "字幕" * 90, "🎉 مرحبا \u0301\u0301", "x" * 3000, "word " * 900])
def test_any_words_can_be_drawn(text):
    document = a_result(made_up_reading(text=text, faces=0, attention=False)).document()
    panel = Panel(SIZE, document["thresholds"], text)
    assert panel.draw(1, document["utterances"][0]).shape == (SIZE[1], SIZE[0], 3)


def test_six_names_at_once_stay_in_the_panel():
    document = a_result(made_up_reading(probabilities=(0.99,) * 6)).document()
    for size in (SIZE, (320, 480)):
        panel = Panel(size, document["thresholds"], "tiny").draw(1, document["utterances"][0])
        assert np.abs(panel[:, -4:].astype(int) - rgb(BACKGROUND)).max() == 0


def test_a_bar_is_as_long_as_its_probability():
    """Bars end at their value, thresholds stand at theirs."""
    lengths = {}
    for value in (0.4, 0.8):
        document = a_result(made_up_reading(probabilities=(value, *CALM[1:]), text="")).document()
        panel = Panel(SIZE, document["thresholds"], "tiny").draw(1, document["utterances"][0])
        colour = np.abs(panel[:, : SIZE[0] // 2].astype(int) - rgb(COLOURS["anger"])).max(axis=2) < 12
        lengths[value] = colour.any(axis=0).sum()
    assert lengths[0.8] == pytest.approx(2 * lengths[0.4], rel=0.06)


def test_stopped_between_two_steps(clip):
    path, cancel = clip("a.mp4", tone(3), shades(30)), threading.Event()
    target = path.with_name("out.mp4")
    steps = annotate(path, two_utterances(), target, cancel=cancel)
    assert 0 < next(steps) < 1
    cancel.set()
    assert list(steps) == []
    assert [one.name for one in path.parent.iterdir()] == ["a.mp4"]


def test_abandoned_by_whoever_asked(clip):
    path = clip("a.mp4", tone(3), shades(30))
    target = path.with_name("out.mp4")
    target.write_text("old")
    steps = annotate(path, two_utterances(), target)
    next(steps)
    steps.close()
    assert target.read_text() == "old"
    assert len(list(path.parent.iterdir())) == 2


def test_too_long(clip):
    path = clip("a.mp4", tone(1), shades(10))
    with pytest.raises(MediaError, match="took too long"):
        list(annotate(path, two_utterances(), path.with_name("out.mp4"), limits=Limits(job_seconds=1e-9)))
    assert [one.name for one in path.parent.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("content", [b"", b"no video", b"#EXTM3U\n#EXTINF:9,\nhttp://localhost/x.ts\n"])
def test_files_that_are_no_clips(tmp_path, content):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError):
        list(annotate(path, two_utterances(), tmp_path / "out.mp4"))
    assert [one.name for one in tmp_path.iterdir()] == ["a.mp4"]


def test_a_sound_of_no_length(tmp_path):
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
    with pytest.raises(MediaError, match="neither a picture nor a sound"):
        list(annotate(path, two_utterances(), path.with_name("out.mp4")))


def test_a_damaged_clip_is_drawn_as_far_as_it_goes(clip):
    path = clip("a.mkv", tone(2), shades(20, 96, 54))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    assert Seen(drawn(path)).lengths["video"] > 0.3


@pytest.mark.parametrize(
    "size",
    [(1920, 1080), (1280, 720), (720, 1280), (1080, 1920), (480, 480), (320, 240), (16, 2000), (2000, 16), (2, 2)],
)
def test_everything_has_its_place(size):
    layout = arrange(*size)
    places = (layout.picture, layout.panel, layout.strip)
    canvas = np.zeros((layout.height, layout.width), int)
    for place in places:
        assert place.width % 2 == place.height % 2 == 0
        canvas[place.top : place.top + place.height, place.left : place.left + place.width] += 1
    assert (canvas == 1).all()  # nothing overlaps, nothing is left over
    assert max(layout.width, layout.height) <= LONGER_SIDE
    aspect = min(8.0, max(1 / 8, size[0] / size[1]))
    assert layout.picture.width / layout.picture.height == pytest.approx(aspect, rel=0.02)


@pytest.mark.parametrize(
    ("claimed", "rate"),
    [
        (None, 25),
        (25.0, 25),
        (30_000 / 1001, Fraction(30_000, 1001)),
        (60.0, 30),
        (50.0, 25),
        (120.0, 30),
        (1.0, 10),
        (90_000.0, 25),
    ],
)
def test_frame_rate(claimed, rate):
    assert frame_rate(claimed) == rate


def test_a_picture_of_another_form_is_fitted_in():
    place = arrange(1280, 720).picture
    fitted = fit(np.full((100, 100, 3), 200, np.uint8), place)
    assert fitted.shape == (720, 1280, 3)
    assert (fitted[:, 280:1000] == 200).all()
    assert (fitted[:, :279] == rgb(BACKGROUND)).all()


def test_wrapping():
    font = font_for("", 20)
    lines = wrap("one two three four five six seven", 120, 20, 9)
    assert " ".join(lines) == "one two three four five six seven"
    assert all(font.getlength(line) <= 120 for line in lines)
    assert wrap("", 120, 20, 3) == []
    cut = wrap("word " * 50, 120, 20, 2)
    assert len(cut) == 2
    assert cut[1].endswith("…")
    assert all(font.getlength(line) <= 120 for line in cut)
    assert "".join(wrap("x" * 40, 120, 20, 9)) == "x" * 40
    assert wrap("word", 120, 20, 0) == []


def test_an_encoder_that_every_browser_plays_is_here():
    assert best_encoder() == next(iter(ENCODERS))


def test_letters_that_no_font_here_has_are_left_out_and_said(monkeypatch):
    monkeypatch.setattr(fonts, "_wide", lambda: ())
    assert fonts.legible("Grüße, ça va?") == "Grüße, ça va?"
    assert fonts.legible("no \U000f0000way") == "no way"
    assert fonts.legible("今天天气很好") == ""
    words = {"start": 0.0, "end": 1.0, "active": [], "probabilities": {}, "transcript": "今天天气很好"}
    panel = Panel((640, 200), {"happy": 0.5}, "a model")
    drawn = panel.draw(1, words)
    assert np.array_equal(drawn, panel.draw(1, words | {"transcript": "很好"})), "both are the same sentence"
    assert not np.array_equal(drawn, panel.draw(1, words | {"transcript": ""}))
