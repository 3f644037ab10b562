from math import inf

import pytest

from fv2es.limits import Limits


def test_what_holds_where_nothing_else_is_said() -> None:
    limits = Limits()
    assert (limits.max_bytes, limits.max_seconds, limits.max_waiting) == (100e6, 180, 20)
    assert (limits.max_width, limits.max_height, limits.max_fps, limits.max_frames) == (3840, 2160, 120, 36_000)
    assert (limits.min_utterance, limits.max_utterance) == (0.5, 15)
    assert (limits.decode_seconds, limits.job_seconds) == (120, 600)


def test_each_limit_can_be_moved_by_its_variable() -> None:
    limits = Limits.from_environment({"FV2ES_MAX_SECONDS": "60", "FV2ES_MAX_BYTES": "1e6", "FV2ES_MAX_FPS": " "})
    assert (limits.max_seconds, limits.max_bytes, limits.max_fps) == (60, 1e6, Limits().max_fps)


@pytest.mark.parametrize("value", ["much", "-1", "0", "nan"])
def test_what_is_no_limit_is_refused_by_name(value: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)max_seconds"):
        Limits.from_environment({"FV2ES_MAX_SECONDS": value})


def test_none_is_none_for_others_too() -> None:
    assert Limits.whole(20.0) == 20
    assert Limits.whole(inf) is None


def test_an_utterance_needs_room() -> None:
    with pytest.raises(ValueError, match="min_utterance < max_utterance"):
        Limits(min_utterance=5, max_utterance=4)


def test_own_files_may_be_of_any_length_but_not_of_any_picture_size() -> None:
    limits = Limits.unlimited()
    assert limits.max_seconds == limits.max_bytes == limits.job_seconds == inf
    assert limits.max_width == Limits().max_width
