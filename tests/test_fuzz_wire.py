"""What passes between a decoding child and its parent: places never overlap, nonsense is never believed."""

import json
import mmap
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from fv2es.media.relay import Relay
from fv2es.media.wire import Ring, encode
from fv2es.schema import Frame, Sound

SIZE = 1000
thorough = settings(max_examples=300, deadline=None, derandomize=True)


@thorough
@given(some.lists(some.tuples(some.integers(1, SIZE // 2), some.integers(0, 5)), max_size=60))
def test_places_in_the_ring_never_overlap(steps) -> None:
    """Each step asks for so many bytes, after so many places were given back."""
    held: deque[tuple[int, int, int]] = deque()
    ring = Ring(SIZE, lambda: held.popleft()[2])
    for count, back in steps:
        for _ in range(min(back, len(held))):
            ring._used -= held.popleft()[2]
        begin, cost = ring.take(count)
        assert cost >= count
        assert 0 <= begin <= begin + count <= SIZE
        assert all(begin + count <= first or first + length <= begin for first, length, _ in held)
        held.append((begin, count, cost))


def test_what_would_never_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 500 bytes"):
        Ring(SIZE, lambda: 0).take(501)


numbers = some.integers(-5, 5000) | some.floats() | some.none() | some.booleans() | some.text(max_size=3)
messages = some.builds(
    lambda word, number, rest: [word, number, *rest],
    some.sampled_from(["sound", "frame", "again", "done", "refused", "ready", ""]),
    some.just(1) | numbers,
    some.lists(numbers | some.lists(numbers, max_size=2), max_size=8),
)


@thorough
@given(messages)
def test_nothing_but_sound_and_frames_comes_of_messages(message) -> None:
    relay = Relay(1, iter(()))
    with mmap.mmap(-1, 1 << 16) as memory:
        try:
            relay.take(json.loads(encode(message)), memory)
        except (ValueError, TypeError, IndexError, OverflowError):
            return
    assert relay.event is None or isinstance(relay.event, Sound | Frame)
    assert relay.refusal is None or len(relay.refusal) <= 300
