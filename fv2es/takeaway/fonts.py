"""Letters for pictures: Matplotlib's DejaVu Sans, or a font of this machine that has what is missing in it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

# Fonts with Chinese, Japanese and Korean letters, as they are usually called.
WIDE = (
    "notosanscjk",
    "notosanssc",
    "sourcehansans",
    "wqy",
    "droidsansfallback",
    "msyh",
    "pingfang",
    "simhei",
    "unifont",
)


def font_for(text: str, size: int, bold: bool = False) -> FreeTypeFont:
    """One in which every letter of `text` can be drawn; else DejaVu Sans, which draws a box for what it lacks."""
    from PIL import ImageFont

    own = _own("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
    wanted = {ord(letter) for letter in text if letter.isprintable() and not letter.isspace()}
    path = next((one for one in (own, *_wide()) if wanted <= _letters(one)), own) if not text.isascii() else own
    return ImageFont.truetype(str(path), max(1, size))


def _own(name: str) -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path(), "fonts", "ttf", name)


@lru_cache(maxsize=1)
def _wide() -> tuple[Path, ...]:
    from matplotlib.font_manager import findSystemFonts

    paths = sorted(map(Path, findSystemFonts()))
    return tuple(path for name in WIDE for path in paths if path.stem.lower().replace("-", "").startswith(name))


@lru_cache(maxsize=8)
def _letters(path: Path) -> frozenset[int]:
    """The code points that a font has."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(str(path)).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
