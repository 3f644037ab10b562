"""FV2ES: expressed emotion in video, utterance by utterance, from face, voice and words.

    for reading in fv2es.analyse("clip.mp4"):
        print(reading.span, reading.active)

The public names are loaded when they are first asked for, so that `import fv2es` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fv2es.media import open_media as open_video
    from fv2es.models.registry import list_models
    from fv2es.pipeline import analyse
    from fv2es.reader import load_reader

__all__ = ["analyse", "list_models", "load_reader", "open_video"]
__version__ = "0.1.0"

_HOMES = {
    "analyse": ("fv2es.pipeline", "analyse"),
    "list_models": ("fv2es.models.registry", "list_models"),
    "load_reader": ("fv2es.reader", "load_reader"),
    "open_video": ("fv2es.media", "open_media"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
