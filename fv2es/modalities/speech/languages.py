"""Languages that may be spoken in a clip. The words model reads English, so what is said in another is translated."""

from __future__ import annotations

ENGLISH, AUTOMATIC = "en", "auto"
# Those that Whisper hears best (Radford et al. 2022, Fig. 3), by their ISO 639-1 codes, in the order of their names.
LANGUAGES = {
    ENGLISH: "English",
    "ar": "Arabic",
    "ca": "Catalan",
    "zh": "Chinese",
    "cs": "Czech",
    "da": "Danish",
    "nl": "Dutch",
    "fi": "Finnish",
    "fr": "French",
    "de": "German",
    "el": "Greek",
    "he": "Hebrew",
    "hi": "Hindi",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "ms": "Malay",
    "no": "Norwegian",
    "fa": "Persian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "es": "Spanish",
    "sv": "Swedish",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "ur": "Urdu",
    "vi": "Vietnamese",
}
CHOICES = (ENGLISH, AUTOMATIC, *(one for one in LANGUAGES if one != ENGLISH))
_TRANSLATED = "whisper-"


def source_of(language: str) -> str:
    """Where Whisper's words come from when this was spoken: "whisper", "whisper-es" for what it translated."""
    return "whisper" if language == ENGLISH else f"{_TRANSLATED}{language}"


def translated_from(source: str) -> str | None:
    """The English name of the language that a source was translated from; its code where it is not in LANGUAGES.

    None for a source that nothing was translated for.
    """
    code = source.removeprefix(_TRANSLATED)
    return None if code == source else LANGUAGES.get(code, code)
