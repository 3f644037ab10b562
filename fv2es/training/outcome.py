"""What a run ends in: thresholds, a checkpoint with its card, and the test split, scored once."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fv2es import hub
from fv2es.data.packs import CORPORA
from fv2es.metrics import report
from fv2es.models.multimodal import MultimodalModel
from fv2es.results import probabilities
from fv2es.schema import MODALITIES
from fv2es.training.whole import Part

log = logging.getLogger(__name__)

TEST = "test.json"  # in the run's folder: the marker and the figures in one, so that neither is there alone
FIGURES = ("wacc", "accuracy", "f1", "f1_weighted", "auc")
LICENCE = "for research only, within the licence of {corpus}"
OWN_LICENCE = "not said yet: that of the material, {source}, decides"


def measure(logits: np.ndarray, part: Part, thresholds: np.ndarray, emotions: tuple[str, ...]) -> dict[str, Any]:
    """The document of `evaluate` (`docs/json.md`), with what was left out and what had nothing to be read.

    logits: (N, E); thresholds: (E,) probabilities.
    """
    figures = report(part.labels > 0, probabilities(logits), thresholds, emotions, MODALITIES)
    return {**figures, "empty": int((~part.there).sum()), "skipped": len(part.decoded.unreadable)}


def read_test(run: Path) -> dict[str, Any] | None:
    """What the test split gave, None where it was not scored yet."""
    path = run / TEST
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def write_test(run: Path, figures: Mapping[str, Any], times: int) -> dict[str, Any]:
    """Keep the figures and how many times the split was scored."""
    document = {"times_scored": times, **figures}
    write_whole(run / TEST, json.dumps(document, indent=1) + "\n")
    return document


def write_whole(path: Path, text: str) -> None:
    """All or nothing."""
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def save_checkpoint(
    model: MultimodalModel,
    out: Path,
    thresholds: np.ndarray,
    described: Mapping[str, Any],
    metrics: Mapping[str, Any],
    vocabulary: Path | None,
) -> None:
    """A folder that `fv2es.hub` opens. described: architecture, corpus, source and the like, from the run; thresholds:
    (E,) probabilities; vocabulary: the file that the tokenizer was learnt into."""
    corpus, source = CORPORA[described["corpus"]].title, described["source"]
    config = {
        "name": out.name,
        "version": "1",
        "architecture": described["model"],
        "licence": OWN_LICENCE.format(source=source) if source else LICENCE.format(corpus=corpus),
        "trained_on": [source or corpus],
        "training": dict(described),
        "thresholds": dict(zip(model.emotions, map(float, thresholds), strict=True)),
        "metrics": dict(metrics),
    }
    hub.save(model, out, config)
    if vocabulary is not None:
        shutil.copyfile(vocabulary, out / model.inputs.tokenizer)
    write_whole(out / hub.CARD, card(config, hub.sha256(out / hub.WEIGHTS)))


HEAD = """---
license: other
license_name: {licence_name}
library_name: fv2es
tags: [emotion-recognition, multimodal, video, speech, face, text]
---

# {name}

`{architecture}` trained as a whole on {material}: face, voice and words of an utterance
labelled together. Weights: `{weights}`, SHA-256 `{sha256}`. Licence: {licence}.

Emotions: {emotions}. Thresholds, one per emotion, maximise F1 on validation with all modalities that an utterance has.
Published weights that training began with: {pretrained}.

```json
{training}
```
"""

TAIL = """WAcc is balanced accuracy (the tables of CMU-MOSEI), accuracy is plain (those of IEMOCAP); F1 is that of the
positive class, weighted F1 the mean of both classes by their support. Each is the mean over the emotions.

The output says what an expression resembles, not what a person feels: it is no basis for a decision about anybody.
"""


def card(config: Mapping[str, Any], sha256: str) -> str:
    """The model card, from the checkpoint's own config."""
    training, (material,) = config["training"], config["trained_on"]
    own = training["source"] is not None
    head = HEAD.format(
        name=config["name"], architecture=config["architecture"], weights=hub.WEIGHTS, sha256=sha256,
        material=material if own else f"{material} (the pack of Dai et al. 2021)",
        licence_name="not-said" if own else "research-only", licence=config["licence"],
        emotions=", ".join(config["thresholds"]),
        pretrained=", ".join(training["published_weights"]) or "none", training=json.dumps(training, indent=1),
    )  # fmt: skip
    lines = ["| split | utterances | " + " | ".join(FIGURES) + " |", "|---|---:|" + "---:|" * len(FIGURES)]
    for split, figures in config["metrics"].items():
        cells = ["–" if figures["average"][name] is None else f"{figures['average'][name]:.3f}" for name in FIGURES]
        lines.append(f"| {split} | {figures['n']} | " + " | ".join(cells) + " |")
    times = config["metrics"].get("test", {}).get("times_scored", 0)
    said = {0: "The test split was not scored.", 1: "The test split was scored once, with these thresholds."}
    lines += ["", said.get(times, f"The test split was scored {times} times: its figures are no longer blind."), ""]
    per_emotion = ["| emotion | threshold | " + " | ".join(f"{split}: F1" for split in config["metrics"]) + " |"]
    per_emotion.append("|---|---:|" + "---:|" * len(config["metrics"]))
    for emotion, threshold in config["thresholds"].items():
        scores = [figures["per_emotion"][emotion]["f1"] for figures in config["metrics"].values()]
        cells = ["–" if one is None else f"{one:.3f}" for one in scores]
        per_emotion.append(f"| {emotion} | {threshold:.3f} | " + " | ".join(cells) + " |")
    return "\n".join([head, "## Figures", "", *lines, *per_emotion, "", TAIL])
