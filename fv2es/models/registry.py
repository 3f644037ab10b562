"""Names → models. A model's file registers a builder; the command line, the app and the contract tests find it here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from fv2es.emotions import COLOURS, MOSEI

if TYPE_CHECKING:
    from fv2es.models.multimodal import MultimodalModel

Builder = TypeVar("Builder", bound=Callable[..., "MultimodalModel"])
_BUILDERS: dict[str, Callable[..., MultimodalModel]] = {}


def register_model(builder: Builder) -> Builder:
    """Decorator: the function's name, underscores as hyphens, becomes the model's name."""
    name = builder.__name__.replace("_", "-")
    if name in _BUILDERS:
        raise ValueError(f"A model named {name} is registered already.")
    _BUILDERS[name] = builder
    return builder


def _load_zoo() -> None:
    # They register on import.
    from fv2es.models import compact_queries, emotion_queries, fe2e, late_fusion, rfam_focal, utterance_level, v2em  # noqa: F401


def list_models() -> tuple[str, ...]:
    """The names that `create_model` knows, sorted; `hub.list_checkpoints` gives those that have trained weights."""
    _load_zoo()
    return tuple(sorted(_BUILDERS))


def create_model(name: str, emotions: Sequence[str] = MOSEI) -> MultimodalModel:
    """A fresh, untrained model. Raises ValueError, naming what is known, for an unknown name or emotion."""
    _load_zoo()
    if name not in _BUILDERS:
        raise ValueError(f"Unknown model {name!r}; known: {', '.join(list_models())}.")
    if not emotions or set(emotions) - set(COLOURS) or len(set(emotions)) < len(emotions):
        raise ValueError(f"Emotions are some of {', '.join(COLOURS)}, each once; got {', '.join(emotions) or 'none'}.")
    return _BUILDERS[name]() if tuple(emotions) == MOSEI else _BUILDERS[name](emotions=tuple(emotions))
