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
    """The one that has most of the letters of `text`, DejaVu Sans before others; a box is drawn for what it lacks."""
    from PIL import ImageFont

    return ImageFont.truetype(str(_best(text, bold)), max(1, size))


def legible(text: str) -> str:
    """`text` without the letters that its font lacks; "" where that is most of them."""
    if text.isascii():
        return text
    has = _letters(_best(text))
    kept = "".join(letter for letter in text if ord(letter) in has or letter.isspace())
    return kept if 2 * len(kept) >= len(text) else ""


def _best(text: str, bold: bool = False) -> Path:
    own = _own("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
    wanted = {ord(letter) for letter in text if letter.isprintable() and not letter.isspace()}
    if text.isascii() or wanted <= _letters(own):
        return own
    return max((own, *_wide()), key=lambda path: len(wanted & _letters(path)))


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
