"""The text encoder before it sees a label: masked-language modelling (Devlin et al. 2019) over all training texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fv2es.models.blocks.albert import Albert
from fv2es.models.multimodal import MultimodalModel
from fv2es.models.tokenizer import MASK, SPECIAL
from fv2es.training.loop import Recipe
from fv2es.training.words import WordsTask, like_length, stack

RECIPE = Recipe(epochs=4, batch=64, lr=1e-3, weight_decay=0.05, warm=0.1)
CHOSEN = 0.15  # of the tokens are to be guessed: 80 % of these hidden, 10 % replaced, 10 % left


class MaskedWords(nn.Module):
    """Encoder → the token at each chosen place; the output layer is the embedding table (ALBERT's)."""

    def __init__(self, encoder: Albert) -> None:
        super().__init__()
        config = encoder.config
        self.encoder = encoder
        self.dense = nn.Linear(config.width, config.embedding)
        self.norm = nn.LayerNorm(config.embedding)
        self.bias = nn.Parameter(torch.zeros(config.vocabulary))

    def forward(self, tokens: Tensor, mask: Tensor, chosen: Tensor) -> Tensor:
        """(B, L) ids, (B, L) mask, (B, L) True at n places → (n, vocabulary) logits."""
        state = self.norm(F.gelu(self.dense(self.encoder(tokens, mask)[chosen])))
        return F.linear(state, self.encoder.tokens.weight, self.bias)


class PretrainingTask:
    """See `training.loop.Task`; the score is minus the validation loss."""

    def __init__(self, model: MultimodalModel, data: Path, cache: Path, recipe: Recipe = RECIPE) -> None:
        self.words = words = WordsTask(model, data, cache)
        self.model = MaskedWords(words.model.words.encoder)
        self.lengths = np.array([len(one) for one in words.ids])
        self.steps = len(words.ids) // recipe.batch
        self.valid = [words.tokenizer.encode(one.text, words.length) for part in words.valid.values() for one in part]

    def batches(self, epoch: int, recipe: Recipe, rng: np.random.Generator) -> Iterator[tuple[Tensor, ...]]:
        rows = rng.permutation(len(self.lengths))
        for chosen in like_length(rows, self.lengths, recipe.batch, self.steps, rng):
            yield self._masked([self.words.ids[row] for row in chosen])

    def loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        tokens, mask, chosen, wanted = batch
        return F.cross_entropy(self.model(tokens, mask, chosen).float(), wanted)

    def validate(self, model: nn.Module, batch: int = 256) -> dict[str, float]:
        ordered = sorted(self.valid, key=len)
        losses, right, count = 0.0, 0, 0
        with torch.random.fork_rng():
            torch.manual_seed(0)  # the same places every time
            for first in range(0, len(ordered), batch):
                tokens, mask, chosen, wanted = self._masked(ordered[first : first + batch])
                logits = model(tokens, mask, chosen)
                losses += float(F.cross_entropy(logits, wanted, reduction="sum"))
                right += int((logits.argmax(1) == wanted).sum())
                count += len(wanted)
        return {"score": -losses / count, "accuracy": right / count}

    def _masked(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        tokens, mask = stack(rows)
        shown, chosen = hide(tokens, mask, len(self.words.tokenizer))
        return shown, mask, chosen, tokens[chosen]


def hide(tokens: Tensor, mask: Tensor, vocabulary: int) -> tuple[Tensor, Tensor]:
    """(B, L) ids and mask → (B, L) ids as they are shown, and (B, L) True where they are to be guessed."""
    chosen = (torch.rand(tokens.shape) < CHOSEN) & mask & (tokens >= len(SPECIAL))
    chosen[0, 1] |= not chosen.any()  # at least one, the first word
    fate = torch.rand(tokens.shape)
    strangers = torch.randint(len(SPECIAL), vocabulary, tokens.shape)
    shown = torch.where(chosen & (fate < 0.8), MASK, tokens)
    return torch.where(chosen & (fate >= 0.9), strangers, shown), chosen


def load_encoder(encoder: Albert, folder: Path) -> None:
    """Give `encoder` the best weights of the pretraining run in `folder`."""
    best = torch.load(folder / "best.pt", weights_only=True)
    own = {name.removeprefix("encoder."): value for name, value in best.items() if name.startswith("encoder.")}
    encoder.load_state_dict(own)
