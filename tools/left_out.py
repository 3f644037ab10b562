"""How the voice answers people, and sentences, that nothing of it has learnt from.

python -m tools.left_out DATA --plain FOLDER              each fifth of the speakers left out, in turn
python -m tools.left_out DATA --plain FOLDER --sentences  and half of the sentences, too
python -m tools.left_out DATA --plain FOLDER --network fe2e-compact --folds 4   the network beside the functionals

What is trained is what `python -m fv2es train functionals` and `train voice` train, by their recipes; the validation
speakers are among the others here. A fold takes one to two minutes (one core), with a network some thirty more. Runs
are kept, and go on where they were stopped.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fv2es.data import speech
from fv2es.models.registry import create_model
from fv2es.training.faces import with_neutral
from fv2es.training.main import COMPACT
from fv2es.training.main import main as train
from fv2es.training.voice import macro_recall, trained, whole_clips

Row = dict[str, str]  # of the corpora's index
BOTH = "mean of both"
HEAD = "| of speakers left out | answered by | RAVDESS | EmoDB | plain speech as neutral |\n|---|---|---:|---:|---:|"


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m tools.left_out", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("data", type=Path)
    options.add_argument("--plain", type=Path, help="a folder of plain speech (docs/training.md)")
    options.add_argument("--folds", type=int, default=5, help="into which the speakers of each corpus go (5)")
    options.add_argument("--sentences", action="store_true", help="leave half of the sentences out, too, in turn")
    options.add_argument("--network", metavar="MODEL", help="train this compact model's voice network as well")
    options.add_argument("--epochs", type=int, help="instead of the recipes', for a quick try")
    options.add_argument("--run", type=Path, default=Path("runs/left-out"), help="where runs are kept")
    return options


def folds_of(rows: list[Row], folds: int, sentences: bool) -> Iterator[tuple[str, list[Row], dict[str, list[Row]]]]:
    """Name, rows to learn from, rows to answer by what they are: of each fold, or of its two halves."""
    fold = {speaker: place % folds for speakers in _sorted(rows, "speaker") for place, speaker in enumerate(speakers)}
    half = {said: place % 2 for said_there in _sorted(rows, "transcript") for place, said in enumerate(said_there)}
    for number in range(folds):
        others = [row for row in rows if fold[row["speaker"]] != number]
        left_out = [row for row in rows if fold[row["speaker"]] == number]
        if not sentences:
            yield f"fold-{number}", others, {"all sentences": left_out}
            continue
        for known in (0, 1):
            learnt = [row for row in others if half[row["transcript"]] == known]
            parts: dict[str, list[Row]] = {"other sentences": [], "sentences learnt from": []}
            for row in left_out:
                parts["sentences learnt from" if half[row["transcript"]] == known else "other sentences"].append(row)
            yield f"fold-{number}-{known}", learnt, parts


def _sorted(rows: list[Row], column: str) -> list[list[str]]:
    """What stands in a column, of each language."""
    return [
        sorted({row[column] for row in rows if row["language"] == language})
        for language in sorted({row["language"] for row in rows})
    ]


def write_index(folder: Path, source: Path, **splits: list[Row]) -> None:
    """A folder of speech that holds these rows, and no sounds: it names those of `source`."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "index.tsv").open("w", encoding="utf-8", newline="") as lines:
        table = csv.writer(lines, delimiter="\t", quoting=csv.QUOTE_NONE, lineterminator="\n")
        table.writerow(("file", "label", "speaker", "split"))
        for split, rows in splits.items():
            table.writerows(((source / row["file"]).resolve(), row["label"], row["speaker"], split) for row in rows)


def learn(folder: Path, args: argparse.Namespace) -> dict[str, nn.Module]:
    """The voice's parts by name, trained on the training split that is in `folder`, which keeps the runs, too."""
    voice = create_model(args.network or COMPACT).voice
    told = ["--data", str(folder), "--run", str(folder)]
    told += [
        text for name in ("plain", "epochs") if (value := getattr(args, name)) for text in (f"--{name}", str(value))
    ]
    train(["functionals", *told])
    voice.functionals.load_state_dict(torch.load(folder / "functionals" / "best.pt", weights_only=True))
    parts = {"functionals": voice.functionals}
    if args.network:
        train(["voice", *told, "--model", args.network])
        voice.network.load_state_dict(trained(folder, args.plain is not None))
        parts |= {"network": voice.network, BOTH: voice}
    return {name: part.eval() for name, part in parts.items()}


def main(args: argparse.Namespace) -> None:
    source = args.data / "speech"
    with (source / "index.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    plain = speech.read(args.plain, "valid") if args.plain else []
    settings = create_model(COMPACT).inputs.mel
    answers: dict[tuple[str, str], list[tuple[Tensor, speech.Clip]]] = {}
    for name, learnt, parts in folds_of(rows, args.folds, args.sentences):
        folder = args.run / name
        write_index(folder / "speech", source, train=learnt, valid=[row for part in parts.values() for row in part])
        voice = learn(folder, args)
        for what, part in parts.items():
            write_index(folder / "answered", source, valid=part)
            clips = [*speech.read(folder / "answered", "valid"), *plain]
            for heard, network in voice.items():
                with torch.inference_mode():
                    logits = with_neutral(whole_clips(network, clips, settings))
                answers.setdefault((what, heard), []).extend(zip(logits, clips, strict=True))
    print(HEAD)
    for (what, heard), answered in answers.items():
        print(f"| {what} | {heard} | {' | '.join(_figures(answered))} |")


def _figures(answered: list[tuple[Tensor, speech.Clip]]) -> Iterator[str]:
    """Macro recall by the likeliest of seven and mean log-loss of either corpus; the share of plain speech that is
    heard as such."""
    for corpus in ("ravdess", "emodb"):
        logits = torch.stack([row for row, clip in answered if clip.corpus == corpus])
        label = np.array([clip.label for _, clip in answered if clip.corpus == corpus])
        recall, loss = macro_recall(logits.argmax(1).numpy(), label), F.cross_entropy(logits, torch.from_numpy(label))
        yield ", ".join(f"{float(value):.3f}".lstrip("0") for value in (recall, loss))
    heard = [bool(row.argmax() == clip.label) for row, clip in answered if clip.corpus == "plain"]
    yield f"{np.mean(heard):.0%}" if heard else "–"


if __name__ == "__main__":
    main(parser().parse_args())
