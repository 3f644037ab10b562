"""The model card of a checkpoint, written from its own config so that no figure can differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fv2es.hub import CARD, CONFIG, WEIGHTS
from fv2es.training.voice import TEACHER

HEAD = """---
license: cc-by-nc-sa-4.0
library_name: fv2es
tags: [emotion-recognition, multimodal, video, speech, face, text]
metrics: [accuracy, f1, recall]
---

# {name}

Six expressed emotions (anger, disgust, fear, happy, sad, surprise; none = neutral) of an utterance in a video, from
face, voice and words or from any of the three. {about}; an ALBERT-style text
encoder with a vocabulary of its own; {fusion}. No other network's weights are in it.

| | parameters (training form) |
|---|---:|
{sizes}

Weights: `{weights}`, {megabytes:.1f} MB, SHA-256 `{sha256}`, version {version}. Made by `{command}`.
"""

ABOUT = {
    "v2em-compact": "The compact size of V2EM (Wei et al. 2022): RepVGG faces, nested\nhierarchical attention over the "
    "mel-spectrogram",
    "fe2e-compact": "The compact size of FE2E (Dai et al. 2021): VGG networks over\nfaces and the mel-spectrogram",
    "rfam-focal-compact": "The compact size of RFAM with focal modulation (Jia et al. 2024):\nresidual-free faces with "
    "SimAM, a focal modulation network over the mel-spectrogram",
    "emotion-queries-compact": "The compact size of the transformer fusion with emotion queries\n(Le et al. 2023) over "
    "the networks of v2em-compact: RepVGG faces, nested attention over the mel-spectrogram",
}
BAR = 0.6  # a voice whose macro recall on RAVDESS is below is called weak
LEARNT = "emotion-queries-compact"  # its fusion is trained, that of the others is fitted

DATA = """## Data

| part | learnt from | validated on |
|---|---|---|
| face | FER+ train (48×48 grey, crowd votes as soft targets) | FER+ valid, majority labels |
| voice | RAVDESS (English, acted) and EmoDB (German, acted), by speaker{plain} | other speakers of both |
| words | GoEmotions, MELD, EmoryNLP, DailyDialog, ISEAR | GoEmotions valid, MELD valid |

Photographs of FER+ that both parts have are left out of validation, and so are scenes of MELD that EmoryNLP
transcribes, too.

The text encoder was first pretrained to guess hidden words of the same texts. Its teacher was a published sentence
encoder (all-MiniLM-L6-v2, Apache-2.0, pretrained on a billion pairs of sentences of the web), fine-tuned on the same
corpora: what it said of each training sentence is most of what the words network learnt from.{words} {voice}

Licence of the weights: **{licence}**, that of the strictest source (RAVDESS). FER+ labels are MIT, its images come
from the web and are for research; GoEmotions CC BY 4.0; MELD GPL-3.0; DailyDialog CC BY-NC-SA 4.0; the others are
free for research.
"""

FUNCTIONALS = """

Half of what the voice says comes from a perceptron over functionals, statistics over the utterance's spectrogram. It
learnt apart from the network, from the same speech: as it is, augmented, in parts, and as through other
microphones."""
THREE_TEACHERS = """ Then it learnt on from
three, two more of that kind and itself: from what they said, on average, of each sentence, and of sentences joined,
shortened or with words exchanged."""
SINCE = 8  # the first version whose words had three
COPIES = """ (Those choices were made with the copies of training photographs
and the scenes of EmoryNLP that are left out of these figures. With them disgust has an F1 of 0.32 to 0.54.)"""
UNTIL = 12  # the last version that chose with them
PLAIN_SPEECH = "; plain speech, in which nothing is expressed"
HEARD = """

Actors teach a network to hear sadness and disgust in people who read out a list. So the voice learnt on with plain
speech (prompts of a telephone exchange and letters of the alphabet read out, recorded for two free programs, CC BY-SA
3.0 and GPL-2; `tools/plain_speech.py`). Of {n} such utterances by other speakers it takes {neutral:.0%} for neutral."""

TAUGHT = """The voice network learnt with convolutions (FE2E's, compact) as its teacher, on the same clips."""
WEAK = """
It is right too seldom to be believed alone (macro recall {recall:.2f} on RAVDESS, where others here have more than
{bar:.2f}); fusion trusts it that much less."""
OWN = """The voice network is the convolutional one that teaches the others here."""

TOGETHER = """## How it was put together

No corpus here has face, voice and words labelled together. {how}
This assumes that the three err independently, which real people's do not, so the gain from fusion above is an upper
bound. Platt scaling, one threshold per emotion and a shift per modality were fitted on each modality's validation part,
so that a threshold means the same whichever modalities are there.
"""

FITTED = """Each modality learnt alone. Fusion is naive Bayes over
modalities that may be silent: each adds its evidence for an emotion against none, and a no weighs no more than the
chance that it was silent lets it. Its thirty numbers were fitted on pseudo-utterances: {rows} The figures above are of
fusions fitted on one half of the validation rows and measured on the other; the one that ships is fitted on all. The
voice's validation part are three people, so its emotions share one bias and one shift."""
TRAINED = """Each modality learnt alone. The fusion, which hears the states
and the answers of all three, learnt from pseudo-utterances: training faces, voices and sentences of like label put
together at random, by twos and threes, some neutral, some of another label. Most of what it was to say is what naive
Bayes over modalities that may be silent, as `v2em-compact` has it, says of the same answers, the rest the labels. A
slope and six biases of what it says were fitted on other pseudo-utterances: {rows} The figures above are
of a slope and biases fitted on one half of the validation rows and measured on the other; those that ship are fitted on
all, as were the thirty numbers of the Bayes that taught. The voice's validation part are three people, so its emotions
share one bias and one shift."""
ROWS = """validation faces, voices and
sentences of like label put together at random, as they are and made as bad as those of real clips (small and blurred
faces, rooms, microphones and noise, misheard words), each modality but one neutral half of the time. Labels are as
frequent as half way from all alike, as with actors, to the talk of MELD (the geometric mean)."""

LIMITS = """Every stage has a fixed seed. The vocabulary is learnt from the training texts by a library that settles
ties by chance; that is why it ships with the weights, and why a second run, which numbers its sub-words otherwise,
comes close to these figures and not to their last digit.

## What the figures are worth

They are measured on the validation parts that also chose the epoch, the thresholds and the calibration, so they are
slightly optimistic.{copies} Acted voices and posed faces are easier than life. Faces come from web pictures, voices
from actors in English and German, words from Reddit and from series; other people, languages and cultures express
themselves otherwise. The output says what an expression resembles, not what a person feels: it is no basis for a
decision about anybody.
"""


def write_card(folder: Path) -> None:
    """Write README.md into a checkpoint folder that holds config and weights."""
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    sizes = "\n".join(f"| {name} | {count:,} |" for name, count in config["parameters"].items())
    name = config["architecture"]
    head = HEAD.format(
        **config,
        about=ABOUT.get(name, f"A model of the family of FE2E, {name}"),
        fusion="fusion by emotion queries" if name == LEARNT else "fusion by naive Bayes",
        sizes=sizes,
        weights=WEIGHTS,
        megabytes=(folder / WEIGHTS).stat().st_size / 1e6,
    )
    plain = config["metrics"].get("voice/plain")
    voice = (OWN if name == TEACHER else TAUGHT) + (HEARD.format(**plain) if plain else "")
    voice += FUNCTIONALS
    recall = config["metrics"]["voice/RAVDESS"]["single_label"]["macro_recall"]
    voice += WEAK.format(recall=recall, bar=BAR) if recall < BAR else ""
    words = THREE_TEACHERS if int(config["version"]) >= SINCE else ""
    data = DATA.format(**config, words=words, voice=voice, plain=PLAIN_SPEECH if plain else "")
    together = TOGETHER.format(how=(TRAINED if name == LEARNT else FITTED).format(rows=ROWS))
    limits = LIMITS.format(copies=COPIES if int(config["version"]) <= UNTIL else "")
    text = [head, data, _figures(config["metrics"]), _thresholds(config["thresholds"]), together, limits]
    (folder / CARD).write_text("\n".join(text), encoding="utf-8")


def _figures(metrics: dict[str, Any]) -> str:
    corpora = [key for key, one in metrics.items() if "single_label" in one]
    emotions = list(metrics[corpora[0]]["f1"])
    lines = [
        "## Figures (validation parts)",
        "",
        "Single label: the emotion furthest above its threshold, neutral where none is; six emotions and neutral.",
        "",
        "| modality / corpus | n | accuracy | macro recall | macro-F1 (single label) | macro-F1 (six emotions) |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for key in corpora:
        one, single = metrics[key], metrics[key]["single_label"]
        cells = [single["accuracy"], single["macro_recall"], single["macro_f1"], one["macro_f1"]]
        lines.append(f"| {key} | {one['n']} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |")
    lines += ["", "F1 of each emotion:", "", "| | " + " | ".join(emotions) + " |", "|---|" + "---:|" * len(emotions)]
    for key in corpora:
        lines.append(f"| {key} | " + " | ".join(f"{value:.3f}" for value in metrics[key]["f1"].values()) + " |")
    lines += ["", "Right answers (of seven, chance .143) on pseudo-utterances that the fusion was not fitted on:", ""]
    kinds = {
        "all agree": metrics["fusion/pseudo-utterances"],
        "all but one neutral half of the time": metrics["fusion/half-silent"],
    }
    subsets = list(kinds["all agree"])
    lines += ["| modalities | " + " | ".join(subsets) + " |", "|---|" + "---:|" * len(subsets)]
    for kind, fused in kinds.items():
        lines.append(f"| {kind} | " + " | ".join(f"{fused[subset]:.3f}" for subset in subsets) + " |")
    return "\n".join(lines) + "\n"


def _thresholds(thresholds: dict[str, float]) -> str:
    head = "| " + " | ".join(thresholds) + " |"
    row = "| " + " | ".join(f"{value:.3f}" for value in thresholds.values()) + " |"
    return f"## Thresholds\n\n{head}\n|{'---:|' * len(thresholds)}\n{row}\n"
