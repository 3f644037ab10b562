"""Where something failed, without what was said of it: an exception's words may name a visitor's file."""

from __future__ import annotations

import traceback


def places(error: BaseException) -> list[str]:
    """Where it came up, the innermost place last: module and line."""
    frames = traceback.walk_tb(error.__traceback__)
    return [f"{frame.f_globals.get('__name__', '?')}:{number}" for frame, number in frames]
