"""Three trained networks → one checkpoint: calibrated, fused, measured on the validation parts, described."""

from __future__ import annotations

import copy
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fv2es import hub
from fv2es.data.ferplus import CLASSES, one_hot
from fv2es.data.texts import Sentence
from fv2es.emotions import MOSEI, NEUTRAL
from fv2es.metrics import confusion, single_figures
from fv2es.models.blocks.fusion import BayesFusion, one_vs_rivals
from fv2es.models.compact_queries import CompactQueries
from fv2es.models.multimodal import MultimodalModel
from fv2es.models.registry import create_model
from fv2es.models.voice import Voice
from fv2es.results import probabilities
from fv2es.schema import FACE, MODALITIES, VOICE, WORDS
from fv2es.training.calibration import (
    ACCURACY,
    F1,
    SHARED_F1,
    Calibrated,
    Scored,
    calibrate,
    decide,
    evenly,
    fit_answers,
    fit_fusion,
    one_lost,
    pseudo_utterances,
)
from fv2es.training.card import write_card
from fv2es.training.faces import FaceTask
from fv2es.training.joint import NETWORKS, SUBSETS, JointTask, present_of
from fv2es.training.loop import Task
from fv2es.training.voice import VoiceTask, trained
from fv2es.training.wear import worn_clips, worn_faces, worn_sentences
from fv2es.training.words import WordsTask, f1

log = logging.getLogger(__name__)

VERSION = "12"
LICENCE = "CC BY-NC-SA 4.0"  # RAVDESS's, the strictest of the sources'
TRAINED_ON = ("FER+", "RAVDESS", "EmoDB", "GoEmotions", "MELD", "EmoryNLP", "DailyDialog", "ISEAR")
GOALS = {FACE: ACCURACY, VOICE: SHARED_F1, WORDS: F1}  # three people speak on the voice's validation part
PSEUDO = 7000  # pseudo-utterances of one half of the rows
PSEUDO_UTTERANCES = "fusion/pseudo-utterances"
HALF_SILENT = "fusion/half-silent"
SILENT = 0.5  # the chance that a modality but one is neutral where fusion is fitted: real people's often are
TALK = (0.111, 0.027, 0.027, 0.174, 0.068, 0.121, 0.472)  # shares of the labels (`CLASSES`) in MELD's training lines
SHARES = tuple(np.sqrt(TALK).tolist())  # of the labels there, in proportion: half way from all alike to talk
PLAIN = "plain speech"  # as a part of the voice; fusion knows it, figures and calibration leave it out
KINDS = {PSEUDO_UTTERANCES: 0.0, HALF_SILENT: SILENT}  # of pseudo-utterances → how often modalities are silent
TITLES = {FACE: ("FER+",), VOICE: ("RAVDESS", "EmoDB"), WORDS: ("GoEmotions", "MELD")}

Parts = dict[str, Scored]
Line = tuple[float, np.ndarray]  # a slope, and biases (E,)


def build(architecture: str, data: Path, run: Path, out: Path, plain: Path | None = None) -> None:
    """Write the checkpoint folder from the best weights of the runs under `run`.

    plain: the folder of plain speech that the voice learnt on with, if it did.
    """
    model = create_model(architecture)
    cache = run.parent / "cache"
    rest = (data, run, cache, plain)
    scored = _Joint(model, *rest) if isinstance(model, CompactQueries) else _Apart(model, *rest)
    calibrated = scored.calibrate()
    thresholds = dict(zip(MOSEI, probabilities(calibrated.thresholds).round(6).tolist(), strict=True))
    config = {
        "name": out.name,
        "version": VERSION,
        "architecture": architecture,
        "licence": LICENCE,
        "trained_on": [*TRAINED_ON, *([PLAIN] if plain else [])],
        "command": f"python -m fv2es train all --model {architecture}{' --plain FOLDER' if plain else ''}",
        "thresholds": thresholds,
        "metrics": _measure(scored.parts, calibrated) | scored.figures(calibrated),
    }
    scored.fuse(calibrated)
    hub.save(model, out, config)
    shutil.copyfile(cache / model.inputs.tokenizer, out / model.inputs.tokenizer)
    write_card(out)
    log.info("%s", config["metrics"])


def networks(data: Path, runs: Path, plain: Path | None = None) -> MultimodalModel:
    """`NETWORKS`, trained, calibrated and fused, from its run in the folder of runs."""
    model = create_model(NETWORKS)
    scored = _Apart(model, data, runs / NETWORKS, runs / "cache", plain)
    scored.fuse(scored.calibrate())
    return model


class _Apart:
    """Three networks that never met; their fusion is fitted on the validation rows, worn and as they are.

    parts: modality → corpus → what is said of its validation part, uncalibrated; worn: of the same, made worse. What
    `_fitted` gives is what `_right` takes.
    """

    def __init__(self, model: MultimodalModel, data: Path, run: Path, cache: Path, plain: Path | None) -> None:
        self.model = model
        self.parts, self.worn = _validation(model, data, run, cache, plain)

    def calibrate(self) -> Calibrated:
        """Fitted to the validation parts, and given to the model."""
        found = calibrate(_labelled(self.parts), GOALS)
        with torch.no_grad():
            self.model.calibration.scale.copy_(torch.from_numpy(found.scale))
            self.model.calibration.bias.copy_(torch.from_numpy(found.bias))
        return found

    def fuse(self, calibrated: Calibrated) -> None:
        """Settle how modalities are fused, on all rows."""
        self.model.fusion.load_state_dict(self._fitted(calibrated, None).state_dict())

    def figures(self, calibrated: Calibrated) -> dict[str, dict[str, float]]:
        """By kind of pseudo-utterance, the share that each subset of the modalities gets right where fusion is fitted
        on one half of the rows and measured on the other; to be asked before it is settled."""
        halves = [self._fitted(calibrated, half) for half in (0, 1)]
        return {
            name: _mean([self._right(one, calibrated, 1 - half, silent) for half, one in enumerate(halves)])
            for name, silent in KINDS.items()
        }

    def _fitted(self, calibrated: Calibrated, half: int | None) -> Any:
        fusion = self.model.fusion
        assert isinstance(fusion, BayesFusion)
        drawn = [_pseudo(parts, calibrated, half, SILENT, SHARES) for parts in (self.worn, self.parts)]
        logits, labels = (np.concatenate(both) for both in zip(*drawn, strict=True))
        found = copy.deepcopy(fusion)
        fit_fusion(found, logits, labels, calibrated.thresholds)
        return found

    def _right(self, fitted: Any, calibrated: Calibrated, half: int, silent: float) -> dict[str, float]:
        logits, labels = _pseudo(self.parts, calibrated, half, silent)
        with torch.inference_mode():
            said = {one: fitted(torch.from_numpy(logits), present_of(one, len(logits))) for one in SUBSETS}
        return {"+".join(one): _right(fused.double().numpy(), labels, calibrated) for one, fused in said.items()}


def _mean(halves: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: round(float(np.mean([one[name] for one in halves])), 4) for name in halves[0]}


class _Joint(_Apart):
    """The same under emotion queries, which learnt to fuse; a slope and biases of what they say are fitted likewise."""

    def __init__(self, model: CompactQueries, data: Path, run: Path, cache: Path, plain: Path | None) -> None:
        super().__init__(model, data, run.parent / NETWORKS, cache, plain)
        self.fusion = model.fusion
        self.fusion.load_state_dict(_best(run / "joint"))
        self.task = JointTask(model, data, cache, plain=plain)

    def fuse(self, calibrated: Calibrated) -> None:
        self.fusion.rescale(*map(torch.as_tensor, self._fitted(calibrated, None)))

    def _fitted(self, calibrated: Calibrated, half: int | None) -> Line:
        logits, labels = [], []
        for view in (1, 0):  # worn, and as they are
            items, wanted = _drawn(self.task.numbered(), half, SILENT, SHARES)
            logits.append(self._said(items, torch.from_numpy(one_lost(*items.shape[:2])), view))
            labels.append(wanted)
        return fit_answers(np.concatenate(logits), np.concatenate(labels), calibrated.thresholds)

    def _right(self, fitted: Line, calibrated: Calibrated, half: int, silent: float) -> dict[str, float]:
        items, labels = _drawn(self.task.numbered(), half, silent)
        slope, biases = fitted
        figures = {}
        for subset in SUBSETS:
            if len(subset) > 1:
                logits = slope * self._said(items, present_of(subset, len(labels))) + biases
            else:
                logits = self._alone(subset[0], items)
            figures["+".join(subset)] = _right(logits, labels, calibrated)
        return figures

    @torch.inference_mode()
    def _said(self, items: np.ndarray, hears: Tensor, view: int = 0) -> np.ndarray:
        return self.task.together(self.fusion, items[..., 0].astype(int), hears, view).double().numpy()

    def _alone(self, name: str, items: np.ndarray) -> np.ndarray:
        column = MODALITIES.index(name)
        raw = torch.from_numpy(self.task.valid[name].views[0].logits[items[:, column, 0].astype(int)])
        return self.model.calibrated({name: raw}, present_of((name,), len(raw)))[:, column].double().numpy()


def _validation(
    model: MultimodalModel, data: Path, run: Path, cache: Path, plain: Path | None
) -> tuple[dict[str, Parts], dict[str, Parts]]:
    """modality → corpus → its validation part, as it is and worn, scored by the best weights, which `model` keeps."""
    assert isinstance(model.voice, Voice)
    model.voice.functionals.load_state_dict(_best(run / "functionals"))
    tasks: dict[str, tuple[Task, Mapping[str, Tensor], Callable[[Any, bool], Parts]]] = {
        FACE: (FaceTask(model, data, cache), _best(run / "faces"), _faces),
        VOICE: (VoiceTask(model, data, cache, plain=plain), trained(run, plain is not None), _voice),
        WORDS: (WordsTask(model, data, cache), _best(run / "words"), _words),
    }
    scored: dict[str, Parts] = {}
    worn: dict[str, Parts] = {}
    for name, (task, weights, score) in tasks.items():
        task.model.load_state_dict(weights)
        task.model.eval()
        with torch.inference_mode():
            scored[name], worn[name] = score(task, False), score(task, True)
        log.info("%s: scored", name)
    return scored, worn


def _best(folder: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = torch.load(folder / "best.pt", weights_only=True)
    return found


def _faces(task: FaceTask, worn: bool) -> Parts:
    clean = task.valid.select(task.valid.majority & (task.valid.label >= 0))
    logits = one_vs_rivals(task.logits(task.model, worn_faces(clean) if worn else clean))
    return {"FER+": _scored(logits, one_hot(clean.label), np.ones(len(clean)))}


def _voice(task: VoiceTask, worn: bool) -> Parts:
    clips = task.valid + task.plain
    label, corpus = np.array([clip.label for clip in clips]), np.array([clip.corpus for clip in clips])
    logits = one_vs_rivals(task.logits(task.voice.eval(), worn_clips(clips) if worn else clips))
    weight = evenly(np.where(corpus == "plain", len(CLASSES), label))
    names = {"RAVDESS": "ravdess", "EmoDB": "emodb", **({PLAIN: "plain"} if task.plain else {})}
    return {
        name: _scored(logits[corpus == key], one_hot(label[corpus == key]), weight[corpus == key])
        for name, key in names.items()
    }


def _words(task: WordsTask, worn: bool) -> Parts:
    parts = {}
    for name in TITLES[WORDS]:
        sentences = task.valid[name.lower()]
        logits = task.logits(task.model, worn_sentences(sentences) if worn else sentences)
        parts[name] = _scored(logits, _many_hot(sentences), np.ones(len(sentences)))
    return parts


def _scored(logits: Tensor, truth: np.ndarray, weight: np.ndarray) -> Scored:
    return Scored(logits.double().numpy(), truth, weight)


def _many_hot(sentences: list[Sentence]) -> np.ndarray:
    return np.array([[name in one.labels for name in MOSEI] for one in sentences])


def _labelled(parts: Mapping[str, Parts]) -> dict[str, Scored]:
    """What is to be calibrated and measured: the parts of each modality joined, without plain speech."""
    return {name: _join([one for key, one in pieces.items() if key != PLAIN]) for name, pieces in parts.items()}


def _join(parts: list[Scored]) -> Scored:
    weight = np.concatenate([part.weight for part in parts])
    return Scored(
        np.concatenate([part.logits for part in parts]),
        np.concatenate([part.truth for part in parts]),
        weight / weight.sum(),
    )


def _apply(part: Scored, calibrated: Calibrated, name: str) -> Scored:
    row = MODALITIES.index(name)
    return Scored(part.logits * calibrated.scale[row] + calibrated.bias[row], part.truth, part.weight)


def _half(part: Scored, number: int) -> Scored:
    rows = slice(number, None, 2)
    return Scored(part.logits[rows], part.truth[rows], part.weight[rows] / part.weight[rows].sum())


def _pseudo(
    parts: Mapping[str, Parts],
    calibrated: Calibrated,
    half: int | None,
    silent: float,
    shares: Sequence[float] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated logits (N, modalities, E) and labels (N,); see `_drawn`."""
    rows = {name: _apply(_join(list(pieces.values())), calibrated, name) for name, pieces in parts.items()}
    return _drawn(rows, half, silent, shares)


def _drawn(
    rows: Mapping[str, Scored], half: int | None, silent: float, shares: Sequence[float] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Pseudo-utterances from every other row, or (None) from all, and then twice as many."""
    if half is None:
        return pseudo_utterances(rows, 2 * PSEUDO, silent=silent, shares=shares)
    rows = {name: _half(one, half) for name, one in rows.items()}
    return pseudo_utterances(rows, PSEUDO, seed=half, silent=silent, shares=shares)


def _measure(parts: Mapping[str, Parts], calibrated: Calibrated) -> dict[str, Any]:
    """Each modality's figures of the model card, on its validation parts, at the thresholds that ship."""
    found = {}
    for name, pieces in parts.items():
        for corpus, part in pieces.items():
            ready = _apply(part, calibrated, name)
            if corpus == PLAIN:
                found["voice/plain"] = _plain_figures(ready, calibrated.thresholds)
            else:
                found[f"{name}/{corpus}"] = _figures(ready, calibrated.thresholds)
    return found


def _plain_figures(part: Scored, thresholds: np.ndarray) -> dict[str, Any]:
    neutral = decide(part.logits, thresholds) == len(thresholds)
    return {"n": len(neutral), "neutral": round(float(neutral.mean()), 4)}


def _figures(part: Scored, thresholds: np.ndarray) -> dict[str, Any]:
    names = np.array([*MOSEI, NEUTRAL])
    single = part.label >= 0
    guess = decide(part.logits, thresholds)
    table = confusion(names[part.label[single]].tolist(), names[guess[single]].tolist(), names.tolist())
    by_emotion = f1(part.logits >= thresholds, part.truth)
    return {
        "n": len(part.logits),
        "macro_f1": round(float(by_emotion.mean()), 4),
        "f1": dict(zip(MOSEI, by_emotion.round(4).tolist(), strict=True)),
        "single_label": {key: round(value, 4) for key, value in single_figures(table).items()},
    }


def _right(fused: np.ndarray, labels: np.ndarray, calibrated: Calibrated) -> float:
    """The share of fused logits (N, E) that name the label (N,)."""
    return round(float((decide(fused, calibrated.thresholds) == labels).mean()), 4)
