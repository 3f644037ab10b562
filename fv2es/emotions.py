"""Label sets, their order, spellings and colours. Nothing here imports more than the standard library."""

from __future__ import annotations

from collections.abc import Iterable

# CMU-MOSEI order (Bagher Zadeh et al. 2018): multi-label, none of them = neutral.
MOSEI = ("anger", "disgust", "fear", "happy", "sad", "surprise")
# IEMOCAP order of the reorganised pack (Dai et al. 2021).
IEMOCAP = ("anger", "excited", "frustrated", "happy", "neutral", "sad")
NEUTRAL = "neutral"

# Spellings met in public corpora, all meaning one of the names above.
_SPELLINGS = {
    "angry": "anger", "mad": "anger", "ang": "anger",
    "disgusted": "disgust", "dis": "disgust",
    "fearful": "fear", "scared": "fear", "afraid": "fear", "fea": "fear",
    "happiness": "happy", "joy": "happy", "joyful": "happy", "hap": "happy",
    "sadness": "sad",
    "surprised": "surprise", "sur": "surprise",
    "calm": NEUTRAL, "none": NEUTRAL, "neu": NEUTRAL, "no emotion": NEUTRAL,
}  # fmt: skip

# Okabe & Ito's colour-blind-safe palette (2008), one colour per emotion wherever it is drawn.
COLOURS = {
    "anger": "#D55E00",
    "disgust": "#009E73",
    "fear": "#CC79A7",
    "happy": "#E69F00",
    "sad": "#0072B2",
    "surprise": "#56B4E9",
    "excited": "#F0E442",
    "frustrated": "#882255",
    NEUTRAL: "#8A8F98",
}


def canonical(name: str) -> str:
    """The project's spelling of an emotion's name ("Joy" → "happy").

    Raises ValueError, naming what is known, for a name that means none of them.
    """
    key = name.strip().lower()
    key = _SPELLINGS.get(key, key)
    if key not in COLOURS:
        raise ValueError(f"Unknown emotion {name.strip()!r}; known: {', '.join(COLOURS)}.")
    return key


def parse_labels(text: str, emotions: Iterable[str] = MOSEI) -> tuple[str, ...]:
    """Comma-separated names → those of `emotions`, in their order; nothing is neutral, and neutral → () where it is not
    among them."""
    emotions = tuple(emotions)
    names = {canonical(part) for part in text.split(",") if part.strip()} or {NEUTRAL}
    strangers = names - set(emotions) - {NEUTRAL}
    if strangers:
        raise ValueError(f"{', '.join(sorted(strangers))} is not among {', '.join(emotions)} or neutral.")
    return tuple(name for name in emotions if name in names)
