"""Files that a stranger may send, made on the fly: damaged, lying, disguised, far too large, or merely odd.

`make(folder)` → name → path, always the same files: what is random has a seed.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from conftest import shades, tone, write_clip

SHARES = [share / 100 for share in range(5, 100, 5)]
FLIPS = 8  # damaged copies of each base
SECONDS = 1.0
TENTHS = tuple(number / 10 for number in range(10))

# name → sound and picture codecs
BASES = {
    "h264.mp4": ("aac", "libx264"),
    "h264.mkv": ("flac", "libx264"),
    "vp9.webm": ("libopus", "libvpx-vp9"),
    "mjpeg.avi": ("pcm_s16le", "mjpeg"),
    "h264.ts": ("aac", "libx264"),
    "mpeg2.mpg": ("mp2", "mpeg2video"),
}
SOUNDS = {"a.wav": "pcm_s16le", "a.mp3": "libmp3lame", "a.flac": "flac", "a.ogg": "libopus", "a.m4a": "aac"}
PICTURES = ("a.jpg", "a.png", "a.webp", "a.bmp")

TEXTS = {
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n#EXT-X-ENDLIST\n",
    "hls-file": "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "hls-key": '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="file:///etc/hosts"\n#EXTINF:1,\na.wav\n#EXT-X-ENDLIST\n',
    "ffconcat": "ffconcat version 1.0\nfile 'a.wav'\n",
    "ffconcat-unsafe": "ffconcat version 1.0\nfile '/etc/passwd'\noption safe 0\n",
    "dash": '<?xml version="1.0"?><MPD type="static"><Period><AdaptationSet><Representation><BaseURL>http://127.0.0.1:1/'
    "</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "smil": '<smil><body><video src="file:///etc/passwd"/></body></smil>',
    "rtsp": "RTSPtext\nrtsp://127.0.0.1:1/a\n",
    "pls": "[playlist]\nFile1=http://127.0.0.1:1/a.mp3\n",
    "ffmetadata": ";FFMETADATA1\ntitle=x\n",
    "svg": '<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "html": "<html><script>alert(1)</script></html>",
    "subtitles": "1\n00:00:00,000 --> 00:00:01,000\nwords\n",
    "webvtt": "WEBVTT\n\n00:00.000 --> 00:01.000\nwords\n",
    "pickle": "\x80\x04cos\nsystem\n(S'true'\ntR.",
    "shell": "#!/bin/sh\ntouch /tmp/owned\n",
    "y4m": "YUV4MPEG2 W60000 H60000 F25:1\nFRAME\n",
    "avisynth": 'DirectShowSource("a.avi")\n',
    "words": "this is no video at all\n" * 200,
    "spaces": " " * 10_000,
}


def make(folder: Path) -> dict[str, Path]:
    """The whole corpus, at least 200 files."""
    made: dict[str, Path] = {}
    seeds = Seeds(_bases(folder), _sounds(folder), _stills())
    for maker in (_truncated, _flipped, _disguised, _misnamed, _lying, _bombs, _odd):
        for name, content in maker(folder, seeds):
            path = folder / f"{maker.__name__.strip('_')}-{name}"
            if isinstance(content, bytes):
                path.write_bytes(content)
            elif content != path:
                content.rename(path)
            assert str(path) not in made
            made[path.name] = path
    return made


Files = Iterator[tuple[str, bytes | Path]]


@dataclass(frozen=True)
class Seeds:
    """Sound files of every kind, that others are made of: name → content."""

    videos: dict[str, bytes]
    sounds: dict[str, bytes]
    stills: dict[str, bytes]


def _bases(folder: Path) -> dict[str, bytes]:
    sound = np.concatenate([tone(SECONDS / 2, 300), tone(SECONDS / 2, 500)])
    made = {}
    for name, codecs in BASES.items():
        rate = 48_000 if "opus" in codecs[0] or name.endswith("mpg") else 16_000
        fps = 25 if name.endswith("mpg") else 10
        path = write_clip(
            folder / name, np.repeat(sound, rate // 16_000), shades(fps), rate=rate, fps=fps, codecs=codecs
        )
        made[name] = path.read_bytes()
        path.unlink()
    return made


def _sounds(folder: Path) -> dict[str, bytes]:
    made = {}
    for name, codec in SOUNDS.items():
        rate = 48_000 if codec == "libopus" else 16_000
        path = write_clip(folder / name, tone(SECONDS, rate=rate), rate=rate, codecs=(codec, ""))
        made[name] = path.read_bytes()
        path.unlink()
    return made


def _stills() -> dict[str, bytes]:
    from PIL import Image

    made = {}
    for name in PICTURES:
        into = io.BytesIO()
        Image.fromarray(shades(1)[0]).save(into, format={"jpg": "JPEG"}.get(name[2:], name[2:].upper()))
        made[name] = into.getvalue()
    return made


def _truncated(folder: Path, seeds: Seeds) -> Files:
    """Every base at every 5 %; sounds and pictures at three places."""
    for name, whole in seeds.videos.items():
        for share in SHARES:
            yield f"{share:.2f}-{name}", whole[: int(len(whole) * share)]
    for name, whole in (seeds.sounds | seeds.stills).items():
        for share in (0.1, 0.5, 0.9):
            yield f"{share:.2f}-{name}", whole[: int(len(whole) * share)]
    yield "empty.mp4", b""
    yield "one-byte.mp4", b"\0"


def _flipped(folder: Path, seeds: Seeds) -> Files:
    """Seeded damage: single bits in one half of them, runs of noise, and lost and doubled pieces in the other."""
    random = np.random.default_rng(5)
    for name, whole in (seeds.videos | seeds.sounds | seeds.stills).items():
        for number in range(FLIPS if name in BASES else 3):
            content = np.frombuffer(whole, np.uint8).copy()
            if number % 2 == 0:
                places = random.integers(0, len(content), 1 + len(content) // 400)
                content[places] ^= (1 << random.integers(0, 8, len(places))).astype(np.uint8)
                damaged = content.tobytes()
            else:
                begin = int(random.integers(0, max(1, len(content) - 200)))
                noise = random.integers(0, 256, 200).astype(np.uint8).tobytes()
                middle = [noise, b"", whole[begin : begin + 200] * 3][number // 2 % 3]
                damaged = whole[:begin] + middle + whole[begin + 200 :]
            yield f"{number}-{name}", damaged


def _disguised(folder: Path, seeds: Seeds) -> Files:
    """Texts that would have something else opened, under the names of videos."""
    for name, text in TEXTS.items():
        yield f"{name}.mp4", text.encode("latin-1")
    yield "hls.m3u8", TEXTS["hls"].encode()
    yield "call.sdp", TEXTS["sdp"].encode()
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(20_000_000))
    yield "zip-bomb.mp4", zipped.getvalue()
    yield "elf.mp4", b"\x7fELF\x02\x01\x01" + bytes(3000)
    yield "flic.mp4", struct.pack("<IHHHHHH", 4096, 0xAF12, 2, 320, 200, 8, 0) + bytes(4096)
    yield "swf.mp4", b"FWS\x05" + struct.pack("<I", 4000) + bytes(4000)
    yield "mkv-header-and-hls.mkv", b"\x1a\x45\xdf\xa3" + TEXTS["hls-file"].encode()
    yield "zeros.mp4", bytes(10_000)
    yield "noise.mp4", np.random.default_rng(1).bytes(50_000)


def _misnamed(folder: Path, seeds: Seeds) -> Files:
    """Sound files under the name of something else: what counts is what is inside."""
    bases, sounds, stills = seeds.videos, seeds.sounds, seeds.stills
    yield "mp4.jpg", bases["h264.mp4"]
    yield "mkv.mp3", bases["h264.mkv"]
    yield "webm.mp4", bases["vp9.webm"]
    yield "avi.wav", bases["mjpeg.avi"]
    yield "ts.srt", bases["h264.ts"]
    yield "wav.mp4", sounds["a.wav"]
    yield "mp3.avi", sounds["a.mp3"]
    yield "jpg.mp4", stills["a.jpg"]
    yield "png.webm", stills["a.png"]
    yield "no-ending", bases["h264.mp4"]
    yield "two-in-one.mp4", bases["h264.mp4"] + bases["h264.mkv"]
    yield "behind-zeros.mp4", bytes(3000) + bases["h264.mp4"]
    yield "'quoted; $(name) `x` %d %s.mp4", bases["h264.mp4"]
    yield "-i.mp4", bases["h264.mp4"]
    yield "<b>é\u202egp4.mp4", bases["h264.mp4"]


def _lying(folder: Path, seeds: Seeds) -> Files:
    """Headers that promise what is not there."""
    bases, sounds = seeds.videos, seeds.sounds
    wav, mp4, avi = sounds["a.wav"], bases["h264.mp4"], bases["mjpeg.avi"]
    yield "wav-4-gb.wav", wav[:4] + b"\xff\xff\xff\xff" + wav[8:40] + b"\xff\xff\xff\xff" + wav[44:]
    for field, (at, form, values) in {
        "rate": (24, "<I", (0, 1, 100, 2**31, 2**32 - 1)),
        "channels": (22, "<H", (0, 255, 65_535)),
        "bits": (34, "<H", (0, 1, 255, 65_535)),
        "kind": (20, "<H", (0, 2, 0x55, 0xFFFE)),
    }.items():
        for value in values:
            yield f"wav-{field}-{value}.wav", wav[:at] + struct.pack(form, value) + wav[at + struct.calcsize(form) :]
    for box, at, value in (
        ("mvhd", 20, 2**32 - 1),  # the duration
        ("mvhd", 16, 0),  # units a second
        ("mdhd", 16, 1),
        ("mdhd", 16, 2**32 - 1),
        ("stsz", 12, 2**32 - 1),  # how many samples
        ("stts", 8, 2**31 - 1),
        ("stts", 16, 2**32 - 1),
        ("stco", 12, 2**32 - 1),  # where they are
        ("stsc", 8, 2**28),
        ("tkhd", 80, 2**32 - 1),  # width, height
        ("elst", 8, 2**32 - 1),
    ):
        place = mp4.rfind(box.encode()) + 4 + at - 4
        if place > at:
            yield f"mp4-{box}-{at}-{value}.mp4", mp4[:place] + struct.pack(">I", value) + mp4[place + 4 :]
    place = mp4.index(b"moov") - 4
    for size in (0, 1, 7, 2**31 - 1, 2**32 - 1):
        yield f"mp4-moov-{size}.mp4", mp4[:place] + struct.pack(">I", size) + mp4[place + 4 :]
    yield "mp4-nested.mp4", mp4[:place] + b"".join(struct.pack(">I4s", 80_000 - 8 * n, b"moov") for n in range(10_000))
    place = avi.index(b"avih") + 8
    yield "avi-speed.avi", avi[:place] + struct.pack("<I", 0) + avi[place + 4 :]
    yield "avi-streams.avi", avi[: place + 24] + struct.pack("<I", 2**31) + avi[place + 28 :]
    yield "flac-claims.flac", sounds["a.flac"][:8] + b"\xff" * 34 + sounds["a.flac"][42:]


def _bombs(folder: Path, seeds: Seeds) -> Files:
    """Little that becomes much."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS, before = None, Image.MAX_IMAGE_PIXELS
    grey = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(grey, "PNG")
    Image.MAX_IMAGE_PIXELS = before
    yield "pixels.png", grey.getvalue()
    yield "claims.png", _png(60_000, 60_000)
    yield "claims.jpg", seeds.stills["a.jpg"].replace(b"\x00\x30\x00\x40", b"\xff\xff\xff\xff", 1)
    yield "claims.bmp", b"BM" + struct.pack("<IIIIiiHHIIiiII", 60, 0, 54, 40, 2**30, 2**30, 1, 24, *[0] * 6)
    still = [np.zeros((4320, 7680, 3), np.uint8)]
    yield "8k.mp4", write_clip(folder / "8k-made.mp4", None, still, fps=1)
    yield "rapid.mp4", write_clip(folder / "rapid-made.mp4", None, shades(8) * 150, fps=1200, codecs=("", "mpeg4"))
    yield "hour-of-pictures.mp4", _long_pictures(folder / "hour.mp4")
    yield "hour-of-silence.flac", _silence(folder / "silence.flac", 3600)
    yield "slow-motion.mkv", write_clip(folder / "slow.mkv", None, shades(2), fps=1)


def _odd(folder: Path, seeds: Seeds) -> Files:
    """Nothing is wrong with these; few programs expect all of them."""
    sound, pictures = tone(SECONDS), shades(10)

    def clip(name: str, *given, **more) -> tuple[str, Path]:
        return name, write_clip(folder / f"made-{name}", *given, **more)

    yield clip("no-sound.mp4", None, pictures)
    yield clip("no-pictures.mp4", sound)
    yield clip("one-picture.mp4", None, pictures[:1])
    yield clip("one-sample.wav", tone(1 / 16_000), codecs=("pcm_s16le", ""))
    yield clip("short.wav", tone(0.1), codecs=("pcm_s16le", ""))
    yield clip("late-sound.mkv", sound, pictures, sound_at=30.0, codecs=("flac", "libx264"))
    yield clip("surround.mkv", np.stack([tone(1, rate=48_000)] * 6), pictures, rate=48_000, codecs=("flac", "libx264"))
    yield clip("tiny.mkv", None, [one[:2, :2] for one in pictures], codecs=("", "ffv1"))
    yield clip("tiny.avi", None, [one[:2, :2] for one in pictures], codecs=("", "mjpeg"))
    yield clip("thin.mp4", None, [np.zeros((2, 2000, 3), np.uint8)] * 5, codecs=("", "mpeg4"))
    for turn in (90, 180, -90, 45):
        yield clip(f"turned-{turn}.mp4", None, pictures, rotation=turn)
    for aspect in (Fraction(4, 3), Fraction(1, 1000), Fraction(1000, 1)):
        yield clip(f"aspect-{float(aspect):g}.mkv", None, pictures, aspect=aspect)
    for form in ("yuv420p10le", "yuv444p", "yuv422p", "gray"):
        yield f"{form}.mkv", _written(folder / f"{form}.mkv", [Picture("libx264", form, (64, 48), TENTHS)])
    yield "alpha.webm", _written(folder / "alpha.webm", [Picture("libvpx-vp9", "yuva420p", (64, 48), TENTHS)])
    yield "odd-size.mkv", _written(folder / "o.mkv", [Picture("libx264", "yuv444p", (63, 47), TENTHS)])
    uneven = (0.0, 0.01, 0.5, 0.51, 0.9, 2.5)
    yield "uneven.mkv", _written(folder / "uneven.mkv", [Picture("libx264", "yuv420p", (64, 48), uneven)])
    far = (0.0, 0.1, 3600.0, 3600.1, 7200.0)
    yield "leaps.mkv", _written(folder / "leaps.mkv", [Picture("libx264", "yuv420p", (64, 48), far)])
    yield "two-pictures.mkv", _written(folder / "two.mkv", [Picture("libx264", "yuv420p", (64, 48), TENTHS)] * 2)
    changing = write_clip(folder / "first.ts", tone(1), shades(10)).read_bytes()
    larger = write_clip(folder / "second.ts", tone(1, rate=48_000), shades(10, 160, 120), rate=48_000).read_bytes()
    yield "changes.ts", changing + larger + changing
    huge = write_clip(folder / "third.ts", None, [np.zeros((2400, 4000, 3), np.uint8)] * 2, codecs=("", "mpeg2video"))
    yield "changes-to-too-large.ts", changing + huge.read_bytes()
    for name in ("first.ts", "second.ts", "third.ts"):
        (folder / name).unlink()
    yield "cover.mp3", _with_cover(seeds.sounds["a.mp3"], seeds.stills["a.png"])
    yield "eight-bits.wav", _wav(8, 1, 11_025)
    yield "many-channels.wav", _wav(16, 32, 8_000)


@dataclass(frozen=True)
class Picture:
    """A stream of pictures: codec, pixel format, (width, height), and when each is shown."""

    codec: str
    form: str
    size: tuple[int, int]
    times: tuple[float, ...]


def _written(path: Path, streams: list[Picture]) -> Path:
    """A file with these streams."""
    import av

    with av.open(str(path), "w") as out:
        opened = []
        for one in streams:
            stream = out.add_stream(one.codec, rate=25)
            stream.width, stream.height = one.size
            stream.pix_fmt = one.form
            stream.codec_context.time_base = Fraction(1, 1000)
            opened.append(stream)
        for one, stream in zip(streams, opened, strict=True):
            for number, time in enumerate(one.times):
                picture = shades(number % 50 + 1, *one.size)[-1]
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=one.form)
                frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    return path


def _long_pictures(path: Path) -> Path:
    """An hour in a few kilobytes: one picture in ten seconds, but ten bytes each."""
    return _written(path, [Picture("libx264", "yuv420p", (64, 48), tuple(10.0 * n for n in range(360)))])


def _silence(path: Path, seconds: int) -> Path:
    import av

    with av.open(str(path), "w") as out:
        stream = out.add_stream("flac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 16_000
        resampler = av.AudioResampler(stream.format, "mono", 16_000, 4096)
        for second in range(seconds):
            frame.pts, frame.time_base = second * 16_000, Fraction(1, 16_000)
            for part in resampler.resample(frame):
                out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return path


def _png(width: int, height: int) -> bytes:
    """Its header is right; what it promises is not there."""

    def chunk(name: bytes, content: bytes) -> bytes:
        whole = name + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def _wav(bits: int, channels: int, rate: int) -> bytes:
    content = np.random.default_rng(2).bytes(rate * channels * bits // 8)
    frame = channels * bits // 8
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * frame, frame, bits)
    chunks = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


def _with_cover(mp3: bytes, png: bytes) -> bytes:
    """An ID3v2.3 tag with a picture before the sound."""
    picture = b"\0image/png\0\x03\0" + png
    frame = b"APIC" + struct.pack(">IH", len(picture), 0) + picture
    size = bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + frame + mp3
