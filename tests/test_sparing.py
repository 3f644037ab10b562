"""Pictures that nobody asked for are not decoded, and nobody can tell: against the same pass with all decoded."""

import itertools
import random
from dataclasses import replace
from fractions import Fraction
from math import inf
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fv2es.limits import Limits
from fv2es.media import MediaError, passes, sparing
from fv2es.media.plain import open_plain
from fv2es.media.sound import Clock
from fv2es.schema import Frame

PICTURES, FPS = 120, 25
X264 = "bframes=5:b-adapt=0:mbtree=0"  # with mbtree no two files are the same
GRIDS = {
    "pieces": lambda: itertools.count(0.2, 0.4),
    "seconds": lambda: itertools.count(0.5),
    "exact stamps": lambda: (number / FPS for number in range(0, PICTURES, 7)),
    "every picture": lambda: itertools.count(0, 1 / FPS),
    "many at once": lambda: (2 + number / 1000 for number in range(300)),
    "anywhere": lambda: iter(sorted(random.Random(3).uniform(0, 5) for _ in range(9))),
}


def encode(path: Path, codec: str, options: dict[str, str], stamps=range(PICTURES), base=Fraction(1, FPS)) -> Path:
    """A noisy picture that moves, so that no two are alike; `stamps` are their times in units of `base`."""
    import av

    noise = np.kron(np.random.default_rng(0).integers(0, 255, (60, 90, 3)), np.ones((2, 2, 1))).astype(np.uint8)
    with av.open(str(path), "w") as out:
        video = out.add_stream(codec, rate=FPS, options=options)
        video.width, video.height, video.pix_fmt, video.codec_context.time_base = 96, 64, "yuv420p", base
        for number, stamp in enumerate(stamps):
            left = number * 3 % 80
            frame = av.VideoFrame.from_ndarray(noise[number % 50 :][:64, left : left + 96].copy(), format="rgb24")
            frame.pts, frame.time_base = stamp, base
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return path


class Seen:
    """What one pass gave, and how many pictures it decoded."""

    def __init__(self, path: Path, monkeypatch, times, start=0.0, end=inf, limits=None, everything=False) -> None:
        import av

        self.decoded = 0
        take = passes.Pass._take

        def counted(one, frame):
            self.decoded += isinstance(frame, av.VideoFrame)
            return take(one, frame)

        with monkeypatch.context() as patch, open_plain(path, limits) as media:
            patch.setattr(passes.Pass, "_take", counted)
            patch.setattr(sparing, "KINDS", () if everything else sparing.KINDS)
            self.frames = [one for one in media.read(times, start, end) if isinstance(one, Frame)]
            self.said = (media.seconds_read, media.notes)

    @property
    def shown(self) -> list[tuple[float, bytes]]:
        return [(one.time, one.pixels.tobytes()) for one in self.frames]


def both(path: Path, monkeypatch, grid, **more) -> tuple[Seen, Seen]:
    """Sparing and plain, which show the same."""
    spared = Seen(path, monkeypatch, GRIDS[grid](), **more)
    plain = Seen(path, monkeypatch, GRIDS[grid](), everything=True, **more)
    assert spared.shown == plain.shown
    assert spared.said == plain.said
    return spared, plain


# Name, codec, its options, and the share of the pictures that may be decoded where one in ten is asked for.
FORMS = [
    ("h264.mp4", "libx264", {"x264-params": X264}, 0.7),
    ("h264.ts", "libx264", {"x264-params": X264}, 0.7),
    ("flat.mkv", "libx264", {"x264-params": "bframes=8:b-adapt=0:b-pyramid=none"}, 0.8),
    ("open.mov", "libx264", {"x264-params": f"{X264}:keyint=20:open-gop=1"}, 0.7),
    ("h264.avi", "libx264", {"x264-params": "bframes=0"}, 1),
    ("lines.mp4", "libx264", {"x264-params": f"{X264}:interlaced=1:tff=1"}, 1),
    ("hevc.mp4", "libx265", {"x265-params": "log-level=0"}, 0.8),
    ("hevc.mkv", "libx265", {"x265-params": "log-level=0:keyint=20:open-gop=1"}, 0.8),
    ("layers.mp4", "libx265", {"x265-params": "log-level=0:temporal-layers=3"}, 1),
    ("mpeg4.mp4", "mpeg4", {"bf": "2"}, 0.6),
    ("mpeg2.ts", "mpeg2video", {"bf": "2"}, 0.6),
    ("mpeg1.mpg", "mpeg1video", {"bf": "2"}, 0.6),
    ("vp9.webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "12"}, 1),
    ("vp8.webm", "libvpx", {"deadline": "realtime", "cpu-used": "8"}, 1),
]


@pytest.mark.parametrize(("name", "codec", "options", "share"), FORMS, ids=[one[0] for one in FORMS])
def test_less_is_decoded_and_the_same_is_shown(tmp_path, monkeypatch, name, codec, options, share) -> None:
    path = encode(tmp_path / name, codec, options)
    for grid in GRIDS:
        spared, plain = both(path, monkeypatch, grid)
        assert len(plain.shown) > 3
        if grid == "pieces":
            assert plain.decoded == PICTURES
            assert spared.decoded < share * PICTURES if share < 1 else spared.decoded == PICTURES
    for start, end in ((1.3, 3.1), (2.5, inf)):
        both(path, monkeypatch, "pieces", start=start, end=end)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("leap", [0, 100_000])
def test_pictures_may_come_at_any_pace(tmp_path, monkeypatch, name, leap) -> None:
    """Phones drop pictures, screens are recorded when something moves; stamps that leap are not believed."""
    stamps = [40 * n + 37 * n % 23 + 300 * (n // 10) + leap * (n > 60) for n in range(PICTURES)]
    path = encode(tmp_path / name, "libx264", {"x264-params": X264}, stamps, Fraction(1, 1000))
    decoded = [seen.decoded for grid in GRIDS for seen in both(path, monkeypatch, grid)]
    assert min(decoded) < 0.8 * max(decoded)


def test_limits_count_what_is_not_decoded_too(tmp_path, monkeypatch) -> None:
    path = encode(tmp_path / "a.mp4", "libx264", {"x264-params": X264})
    spared, _ = both(path, monkeypatch, "pieces", limits=replace(Limits.unlimited(), max_frames=50))
    assert len(spared.frames) < 6
    with pytest.raises(MediaError, match="pictures a second"):
        both(path, monkeypatch, "pieces", limits=replace(Limits.unlimited(), max_fps=10))


def test_the_examples_look_the_same(examples, monkeypatch) -> None:
    spared, plain = both(examples[0], monkeypatch, "pieces")
    assert spared.decoded < 0.7 * plain.decoded


@pytest.mark.data
def test_real_clips_look_the_same(data, monkeypatch) -> None:
    clips = sorted(one for one in (data / "video").glob("*.*") if one.suffix in (".mp4", ".mpg", ".webm"))
    decoded = [[seen.decoded for seen in both(one, monkeypatch, "seconds")] for one in clips[::4]]
    assert sum(spared for spared, _ in decoded) < 0.8 * sum(plain for _, plain in decoded)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.ts", "libx264"), ("a.mkv", "libx265")])
@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_file_is_shown_as_far_and_as_often(tmp_path, monkeypatch, name, codec, seed) -> None:
    """What stands for a damaged part is the decoder's guess, and may rest on other pictures; the rest is the same: what
    comes before the damage bit for bit, and every time that was asked for has its frame. (Damage that lies in passed-by
    pictures alone would not be told. In these files it does not.)"""
    path = encode(tmp_path / name, codec, {"x264-params": X264, "x265-params": "log-level=0"})
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    middle = len(content) // 2
    content[np.random.default_rng(seed).integers(middle, len(content) * 8 // 10, 30)] ^= 20
    path.write_bytes(content.tobytes())
    spared, again, plain = (
        Seen(path, monkeypatch, GRIDS["pieces"](), everything=everything) for everything in (False, False, True)
    )
    assert spared.shown == again.shown
    assert [one.time for one in spared.frames] == [one.time for one in plain.frames]
    assert spared.shown[:4] == plain.shown[:4]
    assert spared.said == plain.said


class Decoder:
    """A stream and its decoder, as far as `Sparing` looks at them."""

    def __init__(self, name="h264") -> None:
        self.codec_context = SimpleNamespace(name=name, extradata=None, skip_frame=None)
        self.time_base = Fraction(1, 10)

    def packet(self, stamp: int | None, **more) -> SimpleNamespace:
        usual = {"size": 9, "is_discard": False, "is_corrupt": False, "time_base": self.time_base}
        return SimpleNamespace(pts=stamp, **(usual | more))

    def frame(self, stamp: int | None, **more) -> SimpleNamespace:
        return SimpleNamespace(pts=stamp, **({"interlaced_frame": False, "is_corrupt": False} | more))


def begun(decoder: Decoder, asked=lambda begin, end: False) -> sparing.Sparing:
    """Pictures 0 and 40 have been decoded, picture 0 has come out."""
    one = sparing.Sparing(decoder, asked)
    for stamp in (0, 40):
        one.judge(decoder.packet(stamp))
        assert decoder.codec_context.skip_frame == "DEFAULT"
    assert one.passed(decoder.frame(0)) == []
    return one


def spares(one: sparing.Sparing, decoder: Decoder, packet) -> bool:
    one.judge(packet)
    return decoder.codec_context.skip_frame == "NONREF"


def test_a_picture_is_passed_by_where_no_time_lies_before_a_later_one() -> None:
    decoder, questions = Decoder(), []

    def asked(begin: float, end: float) -> bool:
        questions.append((begin, end))
        return begin <= 2.5 < end

    one = begun(decoder, asked)
    assert not spares(one, decoder, decoder.packet(20))
    assert spares(one, decoder, decoder.packet(10))
    assert spares(one, decoder, decoder.packet(30))
    assert questions == [(2.0, 4.0), (1.0, 2.0), (3.0, 4.0)]
    assert one.passed(decoder.frame(20)) == [1.0]
    assert one.passed(decoder.frame(40)) == [3.0]


def test_nothing_is_spared_before_a_picture_has_come_out() -> None:
    decoder = Decoder()
    one = sparing.Sparing(decoder, lambda begin, end: False)
    assert not any(spares(one, decoder, decoder.packet(stamp)) for stamp in (0, 40, 20, 10, 30))


@pytest.mark.parametrize(
    "odd",
    [{"stamp": None}, {"stamp": 40}, {"stamp": 0}, {"stamp": 20, "is_corrupt": True}, {"stamp": 20, "time_base": 1}],
)
def test_an_odd_packet_ends_the_sparing(odd) -> None:
    decoder = Decoder()
    one = begun(decoder)
    assert not spares(one, decoder, decoder.packet(**odd))
    assert not spares(one, decoder, decoder.packet(10))


@pytest.mark.parametrize(
    "odd",
    [
        {"stamp": None},
        {"stamp": 11},
        {"stamp": 80},
        {"stamp": 40, "is_corrupt": True},
        {"stamp": 40, "interlaced_frame": True},
    ],
)
def test_an_odd_picture_ends_the_sparing(odd) -> None:
    """80: the picture 40, which was to be decoded, has not come out."""
    decoder = Decoder()
    one = begun(decoder)
    one.judge(decoder.packet(80))
    assert spares(one, decoder, decoder.packet(60))
    one.passed(decoder.frame(**odd))
    assert not spares(one, decoder, decoder.packet(50))


def test_what_is_passed_by_is_counted_when_the_sparing_has_ended() -> None:
    decoder = Decoder()
    one = begun(decoder)
    assert spares(one, decoder, decoder.packet(20))
    one.give_up()
    assert one.passed(decoder.frame(40)) == [2.0]


def test_the_last_packet_and_those_that_are_not_shown_are_no_pictures() -> None:
    decoder = Decoder()
    one = begun(decoder)
    assert not spares(one, decoder, decoder.packet(None, size=0))
    assert not spares(one, decoder, decoder.packet(20, is_discard=True))
    assert spares(one, decoder, decoder.packet(20))


def test_pictures_that_never_come_out_are_not_kept() -> None:
    decoder = Decoder()
    one = begun(decoder)
    for stamp in range(50, 10_000):
        one.judge(decoder.packet(stamp))
    assert len(one._waiting) <= sparing.REORDERED


def test_times_are_looked_at_ahead_but_not_far() -> None:
    given = []
    asked = sparing.Asked(given.append(one) or float(one) for one in itertools.count())
    assert asked.next == 0
    assert asked.within(2.5, 3.5)
    assert not asked.within(3.2, 3.8)
    assert asked.within(500.2, 500.8), "too far to be said"
    assert len(given) <= sparing.NEAR
    assert [asked.pop() for _ in range(50)] == list(range(50))
    none = sparing.Asked(iter(()))
    assert none.next == none.pop() == none.next == inf
    assert not none.within(0, 9)


def test_a_clock_foresees_what_it_will_say() -> None:
    clock = Clock()
    assert clock.foresee(1.0) is None
    clock.at(100.0)  # is not believed: the beginning
    assert clock.foresee(101.5) == clock.at(101.5) == 1.5
    assert clock.foresee(101.0) is None
    assert clock.foresee(500.0) is None
