"""What was freed goes back to the system."""

import ctypes

import pytest
from processes import resident

from fv2es import memory
from fv2es.memory import give_back


@pytest.mark.skipif(memory._trim() is None, reason="this system's malloc cannot be asked")
def test_freed_memory_goes_back() -> None:
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    library.free.argtypes = [ctypes.c_void_p]
    held = [library.malloc(64_000) for _ in range(2000)]  # each too small to be a mapping of its own
    for one in held:
        ctypes.memset(one, 1, 64_000)
    full = resident()
    for one in held[:-1]:  # the last lies on top, so that the rest stays
        library.free(one)
    kept = resident()
    give_back()
    assert kept - resident() > 100
    assert full - kept < 20
    library.free(held[-1])


def test_elsewhere_nothing_happens(monkeypatch) -> None:
    monkeypatch.setattr(memory, "_trim", lambda: None)
    give_back()
