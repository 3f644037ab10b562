"""Published weights for the parts of a model that the papers do not train from scratch, from the Hub or its cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from fv2es.models.blocks.albert import Albert, AlbertConfig, from_transformers
from fv2es.models.multimodal import MultimodalModel
from fv2es.models.utterance_level import UtteranceLevel

ALBERT = "albert/albert-base-v2"  # Apache-2.0
DISTILHUBERT = "ntu-spml/distilhubert"  # Apache-2.0
FACES = "vggface2"  # facenet-pytorch's InceptionResnetV1, MIT

Fetch = Callable[[], Mapping[str, Tensor]]


def load_pretrained(model: MultimodalModel) -> tuple[str, ...]:
    """Put published weights into `model`; returns where they are from.

    Raises ValueError where it has no part for which there are any, and where they cannot be had.
    """
    fetched = []
    for name, part, fetch in _parts(model):
        try:
            weights = fetch()
        except Exception as error:  # each of the libraries has errors of its own
            raise ValueError(
                f"The published weights {name} cannot be had here ({type(error).__name__}); where there is a network "
                "they are fetched and kept, and pretrained = false begins without them."
            ) from error
        own = part.state_dict()
        part.load_state_dict({key: value for key, value in weights.items() if key in own})
        fetched.append(name)
    if not fetched:
        raise ValueError("This model has no part of which there are published weights: it needs pretrained = false.")
    return tuple(fetched)


def published(model: MultimodalModel) -> tuple[str, ...]:
    """Where the weights are from that `load_pretrained` would put into `model`."""
    return tuple(name for name, _, _ in _parts(model))


def _parts(model: MultimodalModel) -> list[tuple[str, nn.Module, Fetch]]:
    """Where each part's weights are from, the part, and what fetches them under its own names."""
    if isinstance(model, UtteranceLevel):
        face, voice, words = (_backbone(part) for part in (model.face, model.voice, model.words))
        return [
            (FACES, face, lambda: type(face)(pretrained=FACES).state_dict()),
            (DISTILHUBERT, voice, lambda: _transformer(voice, DISTILHUBERT)),
            (ALBERT, words, lambda: _transformer(words, ALBERT)),
        ]
    encoder = getattr(model.words, "encoder", None)
    if isinstance(encoder, Albert) and encoder.config.width == AlbertConfig().width:
        return [(ALBERT, encoder, _albert)]
    return []


def _backbone(part: nn.Module) -> nn.Module:
    return part.get_submodule("backbone")


def _transformer(backbone: nn.Module, name: str) -> Mapping[str, Tensor]:
    """The weights of a published model of the backbone's own class."""
    return type(backbone).from_pretrained(name, config=backbone.config).state_dict()  # type: ignore[attr-defined]


def _albert() -> Mapping[str, Tensor]:
    from transformers import AlbertModel

    return from_transformers(AlbertModel.from_pretrained(ALBERT).state_dict())
