"""The timeline, the list and the sliders: each utterance at its time, each value to the last bit."""

import re

import numpy as np
import pytest
from made_up import THRESHOLDS, made_up_reading
from markup import parse, seen_words, with_class

from fv2es.emotions import COLOURS, MOSEI
from fv2es.views.timeline import (
    list_parts,
    threshold_sliders,
    timeline,
    timeline_column,
    timeline_parts,
    utterance_list,
    utterance_row,
)

READINGS = [
    made_up_reading(0, 0.0, 2.0),
    made_up_reading(1, 4.0, 8.0, probabilities=(0.1 + 0.2, 0, 0, 0, 0, 1)),
    made_up_reading(2, 9.0, 9.5, probabilities=(0,) * 6, text="", source="none"),
]


def lengths(element) -> dict[str, float]:
    return {name: float(value) for name, value in re.findall(r"--(\w+):([\d.]+)", element.get("style"))}


def test_a_lane_an_emotion_and_a_column_of_blocks_an_utterance():
    tree = parse(timeline(READINGS, 10.0))
    assert [with_class(one, "fv-name")[0].text for one in with_class(tree, "fv-lane")] == list(MOSEI)
    assert lengths(with_class(tree, "fv-over-lanes")[0])["end"] == 10
    for reading, column in zip(READINGS, with_class(tree, "fv-column"), strict=True):
        assert lengths(column) == {"start": reading.span.start, "long": pytest.approx(reading.span.duration)}
        blocks = with_class(column, "fv-block")
        for name, value, block in zip(MOSEI, reading.probabilities, blocks, strict=True):
            assert COLOURS[name] in block.get("style")
            assert lengths(block)["value"] == pytest.approx(value)
            assert float(block.get("data-value")) == value
            assert ("fv-on" in block.get("class")) == (name in reading.active)


def test_one_utterance_more_leaves_the_parts_of_the_others_as_they_are():
    columns = [timeline_column(one) for one in READINGS]
    for number in (1, 2, 3):
        parts = timeline_parts(READINGS[:number], columns[:number], 20.0)
        assert parts[1:-1] == columns[:number]
        assert "".join(parts) == timeline(READINGS[:number], 20.0)
    rows = [utterance_row(one) for one in READINGS]
    assert list_parts(rows, "run")[1:-1] == rows
    assert "".join(list_parts(rows, "run")) == utterance_list(READINGS, "run")


@pytest.mark.parametrize(("duration", "end"), [(10.0, 10.0), (0.0, 9.5), (5.0, 9.5), (20.0, 20.0)])
def test_the_axis_is_as_long_as_the_clip_and_as_what_was_read(duration, end):
    (lanes,) = with_class(parse(timeline(READINGS, duration)), "fv-lanes")
    assert float(lanes.get("data-end")) == end
    assert lanes.get("role") == "slider"
    assert lanes.get("aria-valuemax") == "3"


@pytest.mark.parametrize("end", [0.7, 12.0, 180.0, 4000.0])
def test_the_axis_has_few_round_marks_inside_the_clip(end):
    (axis,) = with_class(parse(timeline([made_up_reading(0, 0.0, 0.6)], end)), "fv-clock")
    marks = [one.text for one in axis.iter("span")]
    assert marks[0] == "0:00"
    assert 1 <= len(marks) <= 8
    assert all(0 <= lengths(one)["from"] <= 1 for one in axis.iter("span"))


def test_a_row_an_utterance_with_its_time_its_words_and_its_emotions():
    (box,) = with_class(parse(utterance_list(READINGS, "a<b")), "fv-utterances")
    assert (box.get("role"), box.get("data-run")) == ("listbox", "a<b")
    rows = list(box)
    assert [(one.get("data-index"), float(one.get("data-start"))) for one in rows] == [("0", 0), ("1", 4), ("2", 9)]
    assert [seen_words(one) for one in rows] == [["happy", "surprise"], ["anger", "surprise"], ["neutral"]]
    assert [with_class(one, "fv-said")[0].text for one in rows] == ["I got the job!", "I got the job!", "–"]


def test_nothing_is_no_timeline():
    assert timeline([], 10.0) == utterance_list([], "run") == ""


def test_sliders_stand_at_what_applies_and_know_the_models_own():
    moved = THRESHOLDS.copy()
    moved[3] = 1 / 3
    sliders = list(parse(threshold_sliders(MOSEI, moved, THRESHOLDS, "run")).iter("input"))
    assert [one.get("data-emotion") for one in sliders] == list(MOSEI)
    assert np.array([float(one.get("data-threshold")) for one in sliders]).tolist() == moved.tolist()
    assert np.array([float(one.get("data-default")) for one in sliders]).tolist() == THRESHOLDS.tolist()
