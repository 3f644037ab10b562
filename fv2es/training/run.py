"""A whole model from a pack to a checkpoint: decode once, train, choose thresholds on validation, score the test."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fv2es.data.packs import SPLITS, Pack, open_pack
from fv2es.modalities.faces import FaceFinder, Finder
from fv2es.models.inputs import Tokenizer
from fv2es.models.multimodal import MultimodalModel
from fv2es.models.registry import create_model
from fv2es.models.tokenizer import AlbertTokenizer, SubwordTokenizer
from fv2es.results import probabilities
from fv2es.training.decoded import Decoded
from fv2es.training.logs import RunLog
from fv2es.training.loop import fit
from fv2es.training.outcome import FIGURES, measure, read_test, save_checkpoint, write_test, write_whole
from fv2es.training.pretrained import load_pretrained, published
from fv2es.training.recipes import Config, place, read_layers, settle
from fv2es.training.whole import Part, WholeTask, choose_thresholds

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """Where a run happens, and what of its recipe is said anew. None: as the recipe says, or the default.

    workers: processes that make batches ready. again: score the test split although it was scored before.
    """

    data: Path | None = None
    corpus: str | None = None
    run: Path | None = None
    out: Path | None = None
    device: str = "auto"
    workers: int = 0
    again: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)


def train(what: str | Path, options: Options, finder: Callable[[], Finder] | None = None) -> Path:
    """Train what the recipe `what` says, or go on with it; returns the folder of the checkpoint. Raises ValueError.

    finder: what makes the face finder for decoding, `FaceFinder` unless it is said.
    """
    layers = (*read_layers(what), options.changes)
    folder = options.data or place(layers, "data")
    if folder is None:
        raise ValueError('Where is the pack? Say --data FOLDER, or data = "FOLDER" in the recipe.')
    device = _device(options.device)
    pack = open_pack(folder, options.corpus or place(layers, "corpus"))
    corpus = pack.corpus.name
    config = settle(layers, corpus)
    name = f"{config.model}-{corpus}"
    run, out = options.run or Path("runs") / name, options.out or Path("checkpoints") / name
    decoded = {
        split: Decoded(list(pack.items(split)), run.parent / "cache", f"{corpus}-{split}", finder or FaceFinder)
        for split in SPLITS
    }

    torch.manual_seed(config.recipe.seed)
    model = create_model(config.model, pack.emotions)
    described = _describe(config, pack, model, decoded)
    _claim(run, described)
    tokenizer, vocabulary = _tokenizer(model, [one.text for one in decoded["train"].items], run)
    if config.pretrained and not (run / "state.pt").exists():
        load_pretrained(model)

    def part(split: str) -> Part:
        decoded[split].fill()
        return Part(decoded[split], pack.emotions, keep_empty=split == "test")

    task = WholeTask(model, tokenizer, part("train"), part("valid"), config.recipe, loss=config.loss,
                     score=config.score, device=device, workers=options.workers)  # fmt: skip
    with RunLog(run) as watch:
        model.load_state_dict(fit(task, config.recipe, run, watch))
    metrics, thresholds = _measure(task, model.eval(), pack, run, options.again, lambda: part("test"))
    save_checkpoint(model.to("cpu"), out, thresholds, described, metrics, vocabulary)
    log.info("The checkpoint is in %s.", out)
    return out


def _measure(
    task: WholeTask, model: MultimodalModel, pack: Pack, run: Path, again: bool, test_part: Callable[[], Part]
) -> tuple[dict[str, Any], Any]:
    """Split → figures, of validation and of the test split, and the thresholds (E,) that validation chose."""
    logits = task.score(model, task.valid)
    thresholds = probabilities(choose_thresholds(logits, task.valid.labels > 0))
    metrics = {"valid": measure(logits, task.valid, thresholds, pack.emotions)}
    known = read_test(run)
    if known is None or again:
        part = test_part()
        figures = measure(task.score(model, part), part, thresholds, pack.emotions)
        known = write_test(run, figures, 1 + (known["times_scored"] if known else 0))
    else:
        log.info("The test split was scored before and is not scored again; --again does, and the card will say so.")
    metrics["test"] = known
    for split, figures in metrics.items():
        said = ", ".join(f"{name} {figures['average'][name]}" for name in FIGURES)
        log.info("%s, %d utterances: %s", split, figures["n"], said)
    return metrics, thresholds


def _device(name: str) -> str:
    """auto = the GPU where there is one."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    check_device(name)
    return name


def check_device(name: str) -> None:
    """Raises ValueError where it is not here."""
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"There is no device {name!r} here.") from error


def _describe(config: Config, pack: Pack, model: MultimodalModel, parts: Mapping[str, Decoded]) -> dict[str, Any]:
    """What a run is, for its folder and for the checkpoint, as JSON gives it back."""
    known = asdict(config) | {
        "corpus": pack.corpus.name,
        "source": pack.source,
        "published_weights": published(model) if config.pretrained else (),
        "utterances": {split: len(each) for split, each in parts.items()},
        "pack": _digest(parts),
    }
    return json.loads(json.dumps(known))


def _digest(parts: Mapping[str, Decoded]) -> str:
    """Names, labels, words and media of all splits in short."""
    lines = [f"{split} {one.id} {one.labels} {one.text}" for split, each in parts.items() for one in each.items]
    lines += [each.digest for each in parts.values()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def _claim(run: Path, described: Mapping[str, Any]) -> None:
    """Make the folder this run's own. Raises ValueError where it is another's."""
    path = run / "run.json"
    run.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        write_whole(path, json.dumps(described, indent=1) + "\n")
        return
    other = json.loads(path.read_text(encoding="utf-8"))
    # Only what was written then: a field that is newer is `loop.fit`'s to compare, which knows its default.
    was, now = ({**each, **each["recipe"], "recipe": None} for each in (other, described))
    differing = [key for key in was if was[key] != now.get(key)]
    if differing:
        raise ValueError(f"{run} holds a run that differs in {', '.join(differing)}; choose another folder with --run.")


def _tokenizer(model: MultimodalModel, texts: list[str], run: Path) -> tuple[Tokenizer, Path | None]:
    """The published vocabulary, or one learnt once from the training texts and the file it is in."""
    source = model.inputs.tokenizer
    if not source.endswith(".json"):
        try:
            return AlbertTokenizer(source), None
        except Exception as error:  # transformers', the Hub's and the operating system's
            raise ValueError(
                f"The vocabulary {source} cannot be had here ({type(error).__name__}); where there is a network it is "
                "fetched and kept."
            ) from error
    path = run / source
    if not path.exists():
        tables = [one.num_embeddings for one in model.words.modules() if isinstance(one, nn.Embedding)]
        partial = path.with_suffix(".partial")
        SubwordTokenizer.learn(texts, max(tables), partial)
        partial.replace(path)
    return SubwordTokenizer(path), path
