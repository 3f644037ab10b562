"""Path → 16 kHz mono sound and upright frames, in one sequential pass. Only this package decodes.

    with open_media("clip.mp4") as media:
        for event in media.read(frame_times=itertools.count(0.25, 0.5)):
            ...  # Sound | Frame

Files are opened and decoded in a child process that may do little and can be killed at any moment (`isolated`,
`process`, `child`; `nursery`); `plain` is what runs there, for tests and for corpora of one's own also in this process.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from fv2es.limits import Limits
from fv2es.media.isolated import Media
from fv2es.media.process import Cancelled, Decoders
from fv2es.media.rules import LONGER_SIDE, MediaError, check_file
from fv2es.schema import Frame


def open_media(
    path: str | os.PathLike[str],
    limits: Limits | None = None,
    *,
    decoders: Decoders | None = None,
    cancel: Callable[[], bool] = lambda: False,
) -> Media:
    """Open a video, a sound file or a picture, without limits on its length where none are given. Raises MediaError.

    decoders: where children begin at once. cancel: asked ten times a second while there is something to wait for.
    """
    limits = limits or Limits.unlimited()
    check_file(path, limits)
    return Media(path, limits, decoders, cancel)


def read_picture(path: str | os.PathLike[str], limits: Limits | None = None) -> Frame:
    """A picture, upright, its longer side at most 1280 pixels. Raises MediaError."""
    with open_media(path, limits) as media:
        if not media.is_picture:
            raise MediaError("This file is not a picture.")
        return next(event for event in media.read() if isinstance(event, Frame))


__all__ = ["LONGER_SIDE", "Cancelled", "Decoders", "Media", "MediaError", "open_media", "read_picture"]
