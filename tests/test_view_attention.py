"""Attention as it is drawn: true to what was recorded, on the clip's time, folded bands shown so, light to send."""

import base64
import io
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from made_up import crop, made_up_reading
from PIL import Image

from fv2es.emotions import MOSEI
from fv2es.schema import Reading, Span
from fv2es.views.attention import attention_card, attention_choices, attention_figure, attention_png
from fv2es.views.attention.card import time_marks
from fv2es.views.attention.maps import folded, heard, levels_of, piece_spans, reach_of, row_frequencies, sound_of
from fv2es.views.attention.pictures import SHADES, map_picture, overlaid, palette, shades
from fv2es.views.attention.queries import looks_of, queries_section
from fv2es.views.attention.words import strongest


def parse(markup: str) -> ElementTree.Element:
    """The markup as a tree; fails where a tag is left open or a letter was not escaped."""
    closed = re.sub(r"<img([^>]*)>", r"<img\1/>", markup)
    return ElementTree.fromstring(f"<div>{closed}</div>")


def pixels(img: ElementTree.Element) -> np.ndarray:
    """(height, width, 4) of an <img>."""
    data = base64.b64decode(img.get("src").partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))


def focal_reading(pieces: int = 3, **more) -> Reading:
    random = np.random.default_rng(0)
    sizes = {"focal1": (64, 16), "focal2": (32, 8), "focal3": (16, 4)}
    maps = {name: random.gamma(9.0, size=(pieces, 2, *size)).astype(np.float32) for name, size in sizes.items()}
    return replace(made_up_reading(end=0.5 + 0.4 * pieces, **more), attention=maps)


def query_reading(text: str = "I got <i>it</i>, at last!", pieces: int = 3, faces: int = 2) -> Reading:
    """Tokens: [CLS] and every two letters."""
    random = np.random.default_rng(0)
    tokens = [(0, 0), *((start, min(start + 2, len(text))) for start in range(0, len(text), 2))]
    sizes = {"cls": 1, "words": len(tokens), "face": faces, "voice": pieces}
    raw = random.gamma(1.0, size=(2, 4, 6, sum(sizes.values())))
    parts = np.split(raw / raw.sum(-1, keepdims=True), np.cumsum([*sizes.values()])[:-1], axis=-1)
    records = {f"queries_{name}": part.astype(np.float32) for name, part in zip(sizes, parts, strict=True)}
    reading = made_up_reading(text=text, faces=faces, end=0.5 + 0.4 * pieces, attention=False)
    return replace(reading, attention=records | {"tokens": np.array(tokens, np.int32)})


def even(pieces: int = 3) -> dict[str, np.ndarray]:
    return {
        f"level{n}": np.full((pieces, 2, 4, side, side), 1 / 64, np.float32) for n, side in ((1, 32), (2, 16), (3, 8))
    }


EDGES = {
    "nested": made_up_reading(),
    "one piece": made_up_reading(end=0.7),
    "long": made_up_reading(end=15.5),
    "even": replace(made_up_reading(end=1.7), attention=even()),
    "quiet ends": replace(made_up_reading(end=1.7), attention={**even(1), "pieces": np.array([[0.75, 1.1]])}),
    "focal": focal_reading(),
    "queries": query_reading(),
    "queries and levels": replace(query_reading(), attention=query_reading().attention | even()),
    "queries without words": replace(
        query_reading(),
        attention={k: v for k, v in query_reading().attention.items() if k not in ("queries_words", "tokens")},
    ),
    "queries of a tokenizer without spans": replace(
        query_reading(), attention={k: v for k, v in query_reading().attention.items() if k != "tokens"}
    ),
}


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize(("head", "piece"), [(None, None), (0, 0), (7, 99)])
def test_every_edge_is_drawn_lightly_and_with_words(edge, head, piece):
    card = attention_card(EDGES[edge], head, piece)
    tree = parse(card)
    assert len(card) < 300_000
    assert "Warm = " in card
    assert all(one.get("alt") for one in tree.iter("img"))
    assert not re.search(r'(?:src|href)="(?!data:)', card)
    assert not list(tree.iter("i")) or all(not one.text for one in tree.iter("i") if one.get("class")), (
        "words are escaped"
    )


@pytest.mark.parametrize("edge", ["one piece", "focal", "queries and levels", "queries without words"])
def test_every_kind_is_a_figure(edge):
    data = attention_png(EDGES[edge], head=1, piece=0)
    image = Image.open(io.BytesIO(data))
    assert image.format == "PNG"
    assert image.width == 9 * 160
    assert len(image.convert("RGB").getcolors(1 << 24)) > 100, "something is drawn"


@pytest.mark.parametrize("reading", [made_up_reading(attention=False), made_up_reading(voice=False)])
def test_where_there_is_none_a_sentence_says_so(reading):
    assert "There is no attention to show" in attention_card(reading)
    assert attention_choices(reading) == ({}, ())
    with pytest.raises(ValueError, match=r"no attention to show at 0\.5 s"):
        attention_png(reading)


def test_the_choices():
    heads, spans = attention_choices(made_up_reading(end=1.5))
    assert heads == {"level1": 4, "level2": 4, "level3": 4}
    assert [(round(one.start, 3), round(one.end, 3)) for one in spans] == [(0.5, 0.9), (0.9, 1.3), (1.3, 1.5)]
    heads, spans = attention_choices(query_reading())
    assert heads == {"queries": 4}
    assert attention_choices(focal_reading()).heads == {}
    assert len(attention_choices(focal_reading()).pieces) == 3


# Numbers


def test_even_attention_is_zero_and_doublings_are_counted():
    weights = even()
    weights["level3"][..., 2, 5] = 4 / 64
    levels = levels_of(replace(made_up_reading(end=1.7), attention=weights))
    assert [one.name for one in levels] == ["level1", "level2", "level3"]
    assert [one.blocks for one in levels] == [4, 2, 1]
    assert levels[0].cells() == pytest.approx(np.zeros((32, 32)))
    assert levels[2].cells()[2, 5] == pytest.approx(2)
    assert np.count_nonzero(levels[2].cells()) == 1


def test_a_head_and_a_piece_are_those_that_are_asked_for():
    weights = even()
    weights["level2"][1, :, 3, 4, 0] = 2 / 64
    level = levels_of(replace(made_up_reading(end=1.7), attention=weights))[1]
    assert level.cells(head=3, piece=1)[4, 0] == pytest.approx(1)
    assert not level.cells(head=2, piece=1).any()
    assert not level.cells(head=3, piece=0).any()
    assert level.cells(head=3)[4, 0] == pytest.approx(np.log2(4 / 3))
    assert level.cells(head=9)[4, 0] == level.cells()[4, 0] == pytest.approx(np.log2(1 + 1 / 12))


def test_laid_out_each_cell_stands_at_its_time_and_at_all_its_bands():
    weights = even()
    weights["level2"][1, ..., 4, 3] = 2 / 64  # second piece, its columns 6 and 7; bands 8, 9 of each channel
    level = levels_of(replace(made_up_reading(end=1.7), attention=weights))[1]
    laid = level.laid_out(None, 90)
    assert laid.shape == (128, 90)
    warm = np.argwhere(laid > 0.5)
    assert sorted(set(warm[:, 1])) == [32 + 6, 32 + 7]
    assert sorted(set(warm[:, 0])) == [8, 9, 40, 41, 72, 73, 104, 105]
    assert len(row_frequencies(level, 4)) == 4


def test_what_was_not_folded_is_not_repeated():
    reading = focal_reading()
    norms = {name: np.ones_like(one) for name, one in reading.attention.items()}
    norms["focal2"][0, :, 10, 1] = 8
    levels = levels_of(replace(reading, attention=norms))
    assert [one.folds for one in levels] == [1, 1, 1]
    laid = levels[1].laid_out(None, 96)
    assert {tuple(one) for one in np.argwhere(laid > 1)} == {
        (row, column) for row in range(40, 44) for column in range(4, 8)
    }
    assert laid[40, 4] == pytest.approx(np.log2(8 / norms["focal2"].mean()))
    assert len(row_frequencies(levels[1], 10)) == 1


def test_quiet_ends_that_were_cut_off_move_the_pieces():
    reading = made_up_reading(end=2.0)
    times = np.array([[0.75, 1.15], [1.15, 1.5]])
    reading = replace(reading, attention={**even(2), "pieces": times})
    assert [(one.start, one.end) for one in piece_spans(reading)] == [(0.75, 1.15), (1.15, 1.5)]
    assert heard(reading) == slice(20, 80)
    assert np.array_equal(sound_of(reading, 1)[:, :28], reading.utterance.mel[:, 52:80])
    assert not sound_of(reading, 1)[:, 28:].any()
    card = attention_card(reading)
    assert "What is grey was too quiet" in card
    assert "What is grey" not in attention_card(replace(reading, attention=even(4)))
    strip = pixels(next(one for one in parse(card).iter("img") if "Level 3:" in one.get("alt")))
    assert strip.shape[:2] == reading.utterance.mel.shape


def test_bands_are_folded_as_the_model_folds_them():
    power = np.zeros((128, 32), np.float32)
    power[[3, 35, 67, 99], 7] = 1.0
    assert folded(power)[3, 7] == 1
    assert folded(power).sum() == 1


def test_attention_that_is_as_good_as_even_does_not_look_dramatic():
    assert reach_of([np.full((8, 8), 0.01)]) == 0.25
    assert reach_of([np.full((8, 8), 0.01), np.full((8, 8), -3.0)]) == 3


def test_the_strongest_cell_is_named_in_words():
    weights = even()
    weights["level3"][1, ..., 2, 5] = 4 / 64
    reading = replace(made_up_reading(end=1.7), attention=weights)
    level = levels_of(reading)[2]
    said = strongest(reading, level, level.laid_out(None, 96))
    assert said.startswith("most at 1.2 s near ")
    assert said.endswith(" kHz, 4.0 × an even share")
    assert said.count("/") == 3
    assert said in attention_card(reading)


# Pictures


def test_a_map_is_a_pixel_a_cell_upwards_and_its_blocks_stand_apart():
    cells = np.zeros((16, 16))
    cells[0, 0], cells[15, 15] = 2, -2
    (img,) = parse(map_picture(cells, -2, 2, "coolwarm", "a <map>")).iter("img")
    whole = pixels(img)
    assert whole.shape == (16, 16, 4)
    red, blue = whole[15, 0].astype(int), whole[0, 15].astype(int)
    assert red[0] > 2 * red[2]
    assert blue[2] > 2 * blue[0]
    (img,) = parse(map_picture(cells, -2, 2, "coolwarm", "a map", blocks=2)).iter("img")
    apart = pixels(img)
    assert apart.shape == (33, 33, 4)
    assert (apart[16, :, 3] == 0).all()
    assert (apart[:, 16, 3] == 0).all()
    assert np.count_nonzero(apart[..., 3] == 0) == 33 + 32


def test_colours_go_from_cold_to_warm_through_grey():
    colours = palette("coolwarm").astype(int)
    assert len(colours) == SHADES
    assert list(shades(np.array([-9.0, -1, 0, 1, 9]), -1, 1)) == [0, 0, 32, 63, 63]
    assert np.ptp(colours[32]) < 12


def test_over_the_spectrogram_colour_is_attention_and_brightness_is_loudness():
    loud = np.full((128, 40), -60.0)
    loud[:, 20:] = 0
    attention = np.zeros((128, 30))
    attention[:, :5] = attention[:, 25:] = 1
    (img,) = parse(overlaid(loud, attention, slice(5, 35), 1.0, "x")).iter("img")
    row = pixels(img)[64].astype(int)
    assert row[7, 0] - row[7, 2] > 60, "warm and silent"
    assert row[32, 0] > row[7, 0] + 30, "warm and loud"
    assert np.ptp(row[15, :3]) < 20, "even"
    assert np.ptp(row[1, :3]) < 12, "not heard"


def test_the_chosen_piece_is_framed_where_it_lies():
    assert "fv-frame" not in attention_card(made_up_reading(end=2.1))
    frames = re.findall(
        r"fv-frame[^>]*left:([\d.]+)%;width:([\d.]+)%", attention_card(made_up_reading(end=2.1), piece=1)
    )
    assert set(frames) == {("25.00", "25.00")}
    assert len(frames) == 4, "in the spectrogram and in each level"


def test_time_has_round_marks():
    assert time_marks(Span(4.35, 7.1)) == [4.5, 5.0, 5.5, 6.0, 6.5, 7.0]
    assert time_marks(Span(0, 15.0)) == [0, 5, 10, 15]
    assert time_marks(Span(0.31, 0.72)) == [0.4, 0.5, 0.6, 0.7]


def test_the_figures_titles_and_axes():
    figure = attention_figure(made_up_reading(start=4.0, end=6.4), piece=1)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    levels = [f"Level {number}" for number in (1, 2, 3)]
    assert [one for one in titles if one] == ["Spectrogram", "Input", *levels, "Spectrogram", *levels]
    strips = [axes for axes in figure.axes if axes.get_ylabel() == "Hz"]
    assert len(strips) == 4
    for axes in strips:
        assert axes.get_xlim() == pytest.approx((4.0, 6.4))
        assert axes.get_ylim() == (0, 128)
    assert strips[-1].get_xlabel() == "seconds"
    words = [one.get_text() for one in figure.texts]
    assert words == ["Utterance 1, 4.0–6.4 s", "Piece 2 of 6, 4.4–4.8 s"]
    bars = [axes for axes in figure.axes if any("more" in one.get_text() for one in axes.get_yticklabels())]
    assert len(bars) == 2


# Emotion queries


def test_a_querys_shares_are_whole_and_tokens_of_a_word_stand_together():
    reading = query_reading("I got it")
    looks = looks_of(reading)
    assert looks.labels["words"] == ["[CLS]", "I", "got", "it"]  # tokens "", "I ", "go", "t ", "it"
    assert looks.tokens["words"].tolist() == [1, 1, 2, 1]
    assert looks.labels["voice"] == ["0.5 s", "0.9 s", "1.3 s"]
    assert sum(looks.parts().values()) == pytest.approx(np.ones(6))
    raw = reading.attention["queries_words"].mean((0, 1))
    assert looks.shares["words"][:, 2] == pytest.approx(raw[:, 2] + raw[:, 3], rel=1e-5)
    one = looks_of(reading, head=2)
    assert one.shares["words"][:, 1] == pytest.approx(reading.attention["queries_words"][:, 2].mean(0)[:, 1], rel=1e-5)
    assert looks_of(made_up_reading()) is None


def test_even_shares_are_zero_doublings_for_words_of_any_length():
    reading = query_reading("I got it")
    flat = {
        name: np.full_like(one, 1 / 11) if name.startswith("queries") else one
        for name, one in reading.attention.items()
    }
    for values in looks_of(replace(reading, attention=flat)).doublings().values():
        assert values == pytest.approx(np.zeros(values.shape), abs=1e-6)


def test_what_queries_look_at_is_said_in_words():
    reading = query_reading("I got it")
    records = {name: one.copy() for name, one in reading.attention.items()}
    for name in ("cls", "words", "face", "voice"):
        records[f"queries_{name}"][:, :, MOSEI.index("happy")] = 0
    records["queries_face"][:, :, MOSEI.index("happy"), 1] = 1
    reading = replace(reading, attention=records)
    reading = replace(reading, utterance=replace(reading.utterance, faces=(crop(0.6), crop(1.1))))
    items = ["".join(one.itertext()) for one in parse(queries_section(reading)).iter("li")]
    assert len(items) == 6
    assert items[3] == "happywords 0 %, face 100 %, voice 0 %, summary 0 %; most at the face at 1.1 s"


def test_the_words_stay_words():
    tree = parse(queries_section(query_reading("<script>alert(1)</script> & co")))
    assert not list(tree.iter("script"))
    assert any("<script>" in (one.text or "") for one in tree.iter("span"))
