"""Places in the shared memory: none reaches over its end, and none is given twice."""

import numpy as np
import pytest

from fv2es.media.wire import Ring


@pytest.mark.parametrize("sizes", [(25,), (10, 7, 33), (50,), (1, 49, 50)])
def test_places_lie_inside_and_do_not_overlap(sizes: tuple[int, ...]) -> None:
    held: list[tuple[int, int, int]] = []
    random = np.random.default_rng(0)

    def give_back() -> int:
        _, _, cost = held.pop(0)
        return cost

    ring = Ring(100, give_back)
    for _ in range(500):
        count = int(random.choice(sizes))
        begin, cost = ring.take(count)
        assert 0 <= begin <= begin + count <= 100
        assert all(begin + count <= other or other + length <= begin for other, length, _ in held)
        held.append((begin, count, cost))


def test_what_fills_the_memory_to_its_end_is_followed_by_its_beginning() -> None:
    ring = Ring(100, lambda: 50)
    assert [ring.take(50)[0] for _ in range(4)] == [0, 50, 0, 50]


def test_more_than_half_of_it_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 50"):
        Ring(100, lambda: 0).take(51)
