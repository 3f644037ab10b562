"""The document of `compare` (`docs/json.md`) as Markdown, to be read or pasted into `docs/results.md`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fv2es.comparison.published import SECONDS, SIZES, TRUNKS
from fv2es.metrics import with_neutral
from fv2es.schema import MODALITIES

MILLION, GIGA = 1e6, 1e9
TOGETHER = "+".join(MODALITIES)
NETWORKS = {"fe2e": ("VGG", "VGG"), "v2em": ("RepVGG", "nested"), "rfam-focal": ("RFAM", "focal")}  # face, voice
Row = Sequence[str]


def markdown(document: Mapping[str, Any]) -> str:
    """Every section that the document has something for, each with its heading."""
    return "\n\n".join(section for section in _sections(document) if section) + "\n"


def _sections(document: Mapping[str, Any]) -> Iterator[str]:
    models, checkpoints = document["models"], document["checkpoints"]
    if any("parameters" in one for one in models):
        yield f"## Sizes and operations\n\n{sizes(models)}"
    if any("seconds" in one for one in models):
        speed = document["speed"]
        how = f"({speed['machine']}; {speed['repeats']} repeats, batches of {speed['batch']}.)"
        yield f"## Speed\n\n{speeds(models)}\n\n{how}"
    if checkpoints:
        yield f"## Quality on the validation parts\n\n{parts(checkpoints)}"
        yield f"F1 of each emotion:\n\n{emotions(checkpoints)}"
        yield f"## Together: pseudo-utterances\n\n{pseudo(checkpoints)}"
        for one in checkpoints:
            yield f"## Labelled clips: `{one['name']}`\n\n{clips(one['clips'])}"
    if document["ablations"]:
        yield f"## Ablations\n\n{ablations(document['ablations'], checkpoints)}"


def table(head: Row, rows: Sequence[Row], left: int = 1) -> str:
    """The first `left` columns are aligned left, the others right; a bar in a cell is no column."""
    rule = "|".join("---" if column < left else "---:" for column in range(len(head)))
    lines = [" | ".join(cell.replace("|", "/") for cell in row) for row in (head, *rows)]
    return "\n".join([f"| {lines[0]} |", f"|{rule}|", *(f"| {line} |" for line in lines[1:])])


def sizes(models: Sequence[Mapping[str, Any]]) -> str:
    """Millions of parameters beside the published ones, and multiplications of one utterance."""
    head = ("model", *(f"{name}, M" for name in (*MODALITIES, "fusion")), "all, M", "published", "GMAC/utterance")
    rows = []
    for one in models:
        counts = one["parameters"]
        cells = [f"{counts[name] / MILLION:.2f}" for name in (*MODALITIES, "fusion", "total")]
        rows.append([f"`{one['name']}`", *cells, _published(one["name"]), f"{one['multiplications'] / GIGA:.2f}"])
    return table(head, rows)


def _published(name: str) -> str:
    if name in TRUNKS:
        return f"trunks {_slashes(TRUNKS[name])}"
    return _slashes(SIZES[name]) if name in SIZES else ""


def _slashes(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.2f}" for value in values)


def speeds(models: Sequence[Mapping[str, Any]]) -> str:
    """Seconds per 100 utterances, and the ratio to FE2E beside the papers' ratios."""
    head = ("model", "s/100", "range", "÷ FE2E", *SECONDS)
    rows = []
    for one in models:
        taken = one["seconds"]
        spread = f"{taken['least']:.2f}–{taken['most']:.2f}"
        theirs = [f"{column[one['name']] / column['fe2e']:.2f}" if one["name"] in column else "" for column in
                  SECONDS.values()]  # fmt: skip
        rows.append([f"`{one['name']}`", f"{taken['median']:.2f}", spread, f"{taken['ratio']:.2f}", *theirs])
    return table(head, rows)


def parts(checkpoints: Sequence[Mapping[str, Any]]) -> str:
    """One label an utterance, of seven; then each emotion present or absent, the mean over the six."""
    head = ("part", "checkpoint", "n", "accuracy", "macro recall", "macro F1",
            "WAcc of six", "accuracy of six", "F1 of six", "weighted F1 of six")  # fmt: skip
    rows = []
    for part in checkpoints[0]["parts"]:
        for one in checkpoints:
            report = one["parts"][part]
            single, mean = report["single_label"], report["average"]
            figures = [single[name] for name in ("accuracy", "macro_recall", "macro_f1")]
            figures += [mean[name] for name in ("wacc", "accuracy", "f1", "f1_weighted")]
            rows.append([part, f"`{one['name']}`", _of_all(report), *map(figure, figures)])
    return table(head, rows, left=2)


def _of_all(report: Mapping[str, Any]) -> str:
    whole, single = report["n"], report["single_label"]["n"]
    return f"{whole}" if whole == single else f"{whole} ({single})"


def emotions(checkpoints: Sequence[Mapping[str, Any]]) -> str:
    """F1 of each emotion, present or absent, by part."""
    names = next(iter(checkpoints[0]["parts"].values()))["per_emotion"]
    rows = [
        [part, f"`{one['name']}`", *(figure(one["parts"][part]["per_emotion"][name]["f1"]) for name in names)]
        for part in checkpoints[0]["parts"]
        for one in checkpoints
    ]
    return table(("part", "checkpoint", *names), rows, left=2)


def pseudo(checkpoints: Sequence[Mapping[str, Any]]) -> str:
    """The share of right answers, of seven equally frequent ones, for every subset of modalities."""
    subsets = list(checkpoints[0]["pseudo_utterances"]["subsets"])
    head = (
        "modalities",
        "checkpoint",
        "n",
        *(subset.replace("+", " + ") for subset in subsets),
        "F1 of six, all three",
    )
    kinds = {"pseudo_utterances": "agree", "half_silent": "half silent"}
    rows = [[kind, *_pseudo_row(one[key], one["name"], subsets)] for key, kind in kinds.items() for one in checkpoints]
    return table(head, rows, left=2)


def _pseudo_row(pseudo: Mapping[str, Any], name: str, subsets: Sequence[str]) -> Row:
    found = pseudo["subsets"]
    cells = [figure(found[subset]["single_label"]["accuracy"]) for subset in subsets]
    return [f"`{name}`", str(pseudo["n"]), *cells, figure(found[TOGETHER]["average"]["f1"])]


def clips(found: Mapping[str, Any]) -> str:
    """What each modality says of a clip, right answers in bold; last how many are right of those with an answer."""
    kinds = list(found["right"])
    rows = []
    for row in found["rows"]:
        answers = [_marked(row["answers"][kind], row["label"]) for kind in kinds]
        words = f"{row['words']} ({', '.join(row['words_from'])})" if row["words"] else "–"
        rows.append([f"`{row['file']}`", row["label"], words, *answers])
    rows.append(["right", "", "", *(f"{found['right'][kind]} of {found['answered'][kind]}" for kind in kinds)])
    return table(("clip", "label", "words (from)", *kinds), rows, left=3 + len(kinds))


def _marked(answer: str | None, label: str) -> str:
    if answer is None:
        return "–"
    return f"**{answer}**" if answer == label else answer


def ablations(rows: Sequence[Mapping[str, Any]], checkpoints: Sequence[Mapping[str, Any]]) -> str:
    """Accuracy of seven for the subsets that have a face or a voice, and F1 of all three."""
    architectures = {one["name"]: one["architecture"] for one in checkpoints}
    subsets = [subset for subset in rows[0]["subsets"] if subset != "words"]
    head = (
        "networks",
        "face of",
        "voice of",
        *(subset.replace("+", " + ") for subset in subsets),
        "F1 of six, all three",
    )
    cells = []
    for row in rows:
        found = row["subsets"]
        shares = [figure(found[subset]["single_label"]["accuracy"]) for subset in subsets]
        face, voice = (_network(architectures[row[name]], column) for column, name in enumerate(("face", "voice")))
        names = [f"V({face}) + A({voice})", f"`{row['face']}`", f"`{row['voice']}`"]
        cells.append([*names, *shares, figure(found[TOGETHER]["average"]["f1"])])
    return f"Words of `{rows[0]['words']}`.\n\n{table(head, cells, left=3)}"


def _network(architecture: str, column: int) -> str:
    family = architecture.removesuffix("-compact")
    return NETWORKS[family][column] if family in NETWORKS else family


def figure(value: float | None) -> str:
    """Three digits; a dash for what cannot be measured."""
    return "–" if value is None else f"{value:.3f}".removeprefix("0")


def panels(checkpoint: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Confusion matrices of the validation parts and of all three together, by title, and their labels' order."""
    shown = dict(checkpoint["parts"])
    shown["fused, pseudo-utterances"] = checkpoint["pseudo_utterances"]["subsets"][TOGETHER]
    tables = {
        f"{name.replace('/', ', ')} (n = {report['single_label']['n']})": report["single_label"]["confusion"]
        for name, report in shown.items()
    }
    return tables, with_neutral(tuple(shown["fused, pseudo-utterances"]["per_emotion"]))
