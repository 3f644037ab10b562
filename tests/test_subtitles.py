"""SRT and WebVTT as people have them, typed text, and which words an utterance is given."""

import codecs
import os

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fv2es.modalities.speech import SpeechError, make_transcriber
from fv2es.modalities.speech.subtitles import (
    MAX_BYTES,
    MAX_CUES,
    Cue,
    Subtitles,
    decode,
    looks_like_subtitles,
    parse_subtitles,
    plain,
    read_subtitles,
)
from fv2es.modalities.speech.typed import MAX_CHARACTERS, Typed
from fv2es.schema import Span, Transcript

NO_SOUND = np.zeros(0, np.float32)
SRT = "1\n00:00:01,000 --> 00:00:02,500\nHello there.\n\n2\n00:00:03,000 --> 00:00:04,000\nHow are\nyou?\n"
VTT = """WEBVTT - a title
Kind: captions

STYLE
::cue { color: red }

REGION
id:one

NOTE a remark
00:07.000 --> 00:08.000
left out

intro
00:01.000 --> 00:02.500 align:start position:10%
<v Anna>Hello</v> <00:01.500><c.loud>there</c>.

01:00:03.000 --> 01:00:04.000
Tom &amp; I
"""


def said(transcriber, start, end):
    return transcriber.transcribe(NO_SOUND, Span(start, end)).text


def test_srt():
    assert parse_subtitles(SRT) == (Cue(1, 2.5, "Hello there."), Cue(3, 4, "How are you?"))


# As a service writes captions while somebody speaks: a blank stands for the line above, which is later shown again.
ROLLING = """WEBVTT
Kind: captions

00:00.160 --> 00:02.389 align:start position:0%
 \nI<00:00.400><c> am</c><00:00.800><c> happy</c>

00:02.389 --> 00:02.399
I am happy
 \n
00:02.399 --> 00:04.550
I am happy
that<00:02.560><c> you</c><00:02.879><c> came</c>

00:04.550 --> 00:04.560
that you came
 \n
00:04.560 --> 00:06.950
that you came
today
"""


def test_captions_that_roll_are_read_once():
    assert parse_subtitles(ROLLING) == (
        Cue(0.16, 2.389, "I am happy"),
        Cue(2.399, 4.55, "that you came"),
        Cue(4.56, 6.95, "today"),
    )


def test_who_says_the_same_again_has_said_it_twice():
    again = "00:01.000 --> 00:02.000\nNo!\n\n00:02.000 --> 00:03.000\nNo!\n\n00:04.000 --> 00:05.000\nNo!\nNever!\n"
    assert [cue.text for cue in parse_subtitles("WEBVTT\n\n" + again)] == ["No!", "No!", "No! Never!"]


def test_webvtt():
    assert parse_subtitles(VTT) == (Cue(1, 2.5, "Hello there."), Cue(3603, 3604, "Tom & I"))


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends(end):
    assert parse_subtitles(SRT.replace("\n", end)) == parse_subtitles(SRT)
    assert parse_subtitles(VTT.replace("\n", end)) == parse_subtitles(VTT)
    assert looks_like_subtitles(SRT.replace("\n", end))


@pytest.mark.parametrize(
    "text",
    [
        "00:00:01,000 --> 00:00:02,000\none\n\n00:00:03,000 --> 00:00:04,000\ntwo",
        "1\n00:00:01,000 --> 00:00:02,000\none\n2\n00:00:03,000 --> 00:00:04,000\ntwo",
        "00:00:01.000-->00:00:02.000\none\n00:00:03 --> 00:00:04 X1:40 X2:600\ntwo",
        "2\n0:0:3,0 --> 0:0:4,0\ntwo\n\n1\n00:01.000 --> 00:02.000\none",
        "\n\n  1\n 00:00:01,000  -->  00:00:02,000 \n one \n \n2\n00:00:03,000 --> 00:00:04,000\n{\\an8}<i>two</I>",
        "\ufeff1\n00:00:01,000 --> 00:00:02,000\none\n\n9\n00:00:09,000 --> 00:00:08,000\nbackwards\n\n"
        "8\n00:00:05,000 --> 00:00:06,000\n<b></b>\n\n2\n00:00:03,000 --> 00:00:04,000\ntwo",
    ],
    ids=["no indexes", "no blank lines", "tight, dots, settings", "unordered, short", "blanks, tags", "mark, no words"],
)
def test_untidy(text):
    assert parse_subtitles(text) == (Cue(1, 2, "one"), Cue(3, 4, "two"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I <3 you &lt;i&gt;", "I <3 you <i>"),
        ("a < b and c > d", "a < b and c > d"),
        ("na&iuml;ve&nbsp;&#39;s &#x27;&unknown; & co", "naïve 's '&unknown; & co"),
        ("zero\u200bwidth \x00nul \ud800 surrogate", "zerowidth nul surrogate"),
        ("&#" + "9" * 5000 + ";", "&#" + "9" * 5000 + ";"),
    ],
)
def test_plain_words(text, words):
    assert plain(text) == words


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("cp1252", b""),
        ("latin-1", b""),
    ],
)
def test_encodings(encoding, mark):
    text = SRT.replace("Hello", "Grüß’s" if encoding != "latin-1" else "Grüß\x81s")
    assert parse_subtitles(decode(mark + text.encode(encoding))) == parse_subtitles(text)


@pytest.mark.parametrize("text", ["", "\n\n", "WEBVTT\n\n", "Hello", "00:01 -> 00:02\nx", "00:00:01,000 --> x\nx"])
def test_none_found(text):
    with pytest.raises(SpeechError, match="No subtitles were found"):
        parse_subtitles(text)


def test_too_many_cues():
    cue = "00:01.000 --> 00:02.000\nx\n\n"
    assert len(parse_subtitles(cue * MAX_CUES)) == MAX_CUES
    with pytest.raises(SpeechError, match="too many"):
        parse_subtitles(cue * (MAX_CUES + 1))


PIECES = st.sampled_from(
    [
        "WEBVTT",
        "NOTE",
        "\n",
        "\r\n",
        "\n\n",
        "1",
        " --> ",
        "00:01.000",
        "00:00:02,000",
        "9999:99:99,9",
        "<i>",
        "{\\an8}",
    ]
)


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.binary(max_size=400), st.lists(st.one_of(PIECES, st.text(max_size=5))).map("".join)))
@example("WEBVTT\n\n00:01.000 --> 00:02.000\n" + "&#" + "9" * 5000 + ";" + "<a" * 5000)
@example(" " * 50_000 + "0")
@example("0" * 50_000 + ":")
def test_anything_gives_cues_or_one_sentence(content):
    text = decode(content) if isinstance(content, bytes) else content
    try:
        cues = parse_subtitles(text)
    except SpeechError:
        return
    assert looks_like_subtitles(text)
    assert list(cues) == sorted(cues)
    assert all(0 <= cue.start < cue.end and cue.text == plain(cue.text) for cue in cues) or "&" in text or "<" in text


def test_a_cue_belongs_where_half_of_the_shorter_overlaps():
    words = Subtitles([Cue(1, 3, "b"), Cue(0, 1, "a"), Cue(4, 5, "c"), Cue(10, 20, "long")])
    assert said(words, 0, 5) == "a b c"
    assert said(words, 0, 2) == "a b"
    assert said(words, 0, 1.9) == "a"
    assert said(words, 3.1, 4.4) == ""
    assert said(words, 3.1, 4.6) == "c"
    assert [said(words, 11, 12), said(words, 13, 14)] == ["long", "long"]
    assert said(words, 20, 30) == ""
    assert words.transcribe(NO_SOUND, Span(0, 1)).source == "subtitles"


def test_files(tmp_path):
    file = tmp_path / "Clip.SRT"
    file.write_text(SRT, encoding="utf-8")
    for given_as in (file, str(file)):
        transcriber, notes = make_transcriber(given_as)
        assert said(transcriber, 1, 2.5) == "Hello there."
        assert notes == []
    other = tmp_path / "words"  # a path object needs no ending
    other.write_text(VTT, encoding="utf-8")
    assert said(make_transcriber(other)[0], 1, 2) == "Hello there."


def test_files_that_cannot_be_used(tmp_path):
    big, empty, binary, pipe = (tmp_path / f"{name}.srt" for name in ("big", "empty", "binary", "pipe"))
    big.write_bytes(b" " * (MAX_BYTES + 1))
    empty.touch()
    binary.write_bytes(np.random.default_rng(0).bytes(5000))
    os.mkfifo(pipe)
    for path, sentence in {
        big: "too large",
        empty: "No subtitles",
        binary: "No subtitles",
        pipe: "cannot be read",
        tmp_path: "cannot be read",
        tmp_path / "none.srt": "cannot be read",
        "a\0b.srt": "cannot be read",
    }.items():
        with pytest.raises(SpeechError, match=sentence) as caught:
            make_transcriber(path)
        assert str(tmp_path) not in str(caught.value)
        assert str(caught.value).endswith(".")
    big.write_bytes(SRT.encode() + b" " * (MAX_BYTES - len(SRT)))
    assert len(read_subtitles(big)) == 2


def test_one_typed_line_is_what_the_whole_clip_says():
    transcriber, notes = make_transcriber("whisper", text="  So happy \t today\x07. \n\n")
    assert [transcriber.transcribe(NO_SOUND, Span(i, i + 1)) for i in (0, 4)] == [
        Transcript("So happy today.", "typed")
    ] * 2
    assert notes == []


def test_typed_lines_are_handed_out_in_order():
    transcriber, notes = make_transcriber(text="one\n\n two\r\nthree")
    assert len(notes) == 1
    assert [said(transcriber, i, i + 1) for i in (0, 0, 2, 5, 2, 7, 0, 7, 5)] == (
        ["one", "one", "two", "three", "two", "", "one", "", "three"]
    )


def test_typed_text_has_an_end():
    assert Typed("a" * MAX_CHARACTERS).lines
    with pytest.raises(SpeechError, match="too long"):
        make_transcriber(text="a" * (MAX_CHARACTERS + 1))
    with pytest.raises(SpeechError, match="too long"):
        make_transcriber(text=VTT + " " * MAX_BYTES)


@pytest.mark.parametrize("pasted", [SRT, VTT, "\ufeff" + VTT])
def test_pasted_subtitles(pasted):
    assert said(make_transcriber(text=pasted)[0], 1, 2.5) == "Hello there."


def test_emotion_tags_of_ours_are_not_words():
    text = "WEBVTT\n\n" + "".join(
        f"00:0{number}.000 --> 00:0{number}.900\n{lines}\n\n"
        for number, lines in enumerate(
            ["[happy 0.81] [surprise 0.44]\nI got it.", "[neutral]", "[happy] So.", "[laughs] No.", "He is [sad 0.50]."]
        )
    )
    assert [cue.text for cue in parse_subtitles(text)] == ["I got it.", "So.", "[laughs] No.", "He is [sad 0.50]."]
