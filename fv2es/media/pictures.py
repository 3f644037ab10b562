"""Pictures as they are meant to be seen: upright, with square pixels, none larger than is looked at."""

from __future__ import annotations

import os
import re
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from fv2es.limits import Limits
from fv2es.media.rules import LONGER_SIDE, MediaError, check_size

if TYPE_CHECKING:
    import av

KINDS = ("JPEG", "PNG", "WEBP", "BMP")
_BEGIN = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP|BM", re.DOTALL)


class Upright:
    """Frames with square pixels, scaled down to LONGER_SIDE and turned as their display matrices say.

    What scales them is made ready for the first and kept for the others, and works in the thread that asks: two
    threads a frame take longer than one, the more so the busier the machine.
    """

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._scaler = VideoReformatter()

    def __call__(self, frame: av.VideoFrame, sample_aspect: Fraction | None) -> np.ndarray:
        """(height, width, 3) uint8."""
        aspect = float(sample_aspect) if sample_aspect and 0.1 < sample_aspect < 10 else 1.0
        width, height = frame.width * max(aspect, 1.0), frame.height / min(aspect, 1.0)
        scale = min(1.0, LONGER_SIDE / max(width, height))
        size = {"width": max(1, round(width * scale)), "height": max(1, round(height * scale))}
        scaled = self._scaler.reformat(frame, **size, format="rgb24", interpolation="AREA", threads=1)
        turns = round(frame.rotation / 90) % 4  # counter-clockwise, as np.rot90
        return np.ascontiguousarray(np.rot90(scaled.to_ndarray(), turns))


def open_picture(path: str | os.PathLike[str], limits: Limits) -> np.ndarray | None:
    """(height, width, 3) uint8, turned as its EXIF says; None where the file is no picture of a known kind."""
    with open(path, "rb") as file:
        if not _BEGIN.match(file.read(12)):  # before Pillow is loaded for nothing
            return None
    from PIL import Image, ImageOps

    try:
        picture = Image.open(path, formats=KINDS)
    except Image.DecompressionBombError as error:
        raise MediaError(
            f"This picture has more than {limits.max_width:g}×{limits.max_height:g} pixels, which is too many."
        ) from error
    except (OSError, ValueError, SyntaxError):
        return None
    with picture:
        check_size(*picture.size, limits)
        try:
            picture.draft("RGB", (LONGER_SIDE, LONGER_SIDE))
            turned = ImageOps.exif_transpose(picture).convert("RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise MediaError("This picture is damaged.") from error
        turned.thumbnail((LONGER_SIDE, LONGER_SIDE))
        return np.asarray(turned)
