"""`models`: which models there are, how large they are, and where their weights lie."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fv2es.cli.output import write_json

logger = logging.getLogger(__name__)

COLUMNS = ("face", "voice", "words", "total")
ABSENT = {"status": "absent"}
KEYS = {"architecture", "emotions", "inputs", "parameters", "sha256", "thresholds"}  # of a checkpoint's config


def add_to(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("models", help="list models, their sizes and their weights", description=__doc__)
    parser.add_argument("--json", action="store_true", help="the same as JSON on standard output")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    models = list_all()
    if options.json:
        write_json("-", models)
    else:
        print(table(models))
    return 0


def list_all() -> list[dict[str, Any]]:
    """One entry a model: checkpoints that are here, checkpoints in the Hub's cache, architectures without weights."""
    from fv2es import hub
    from fv2es.models.registry import list_models

    here = [_shipped(hub.open_checkpoint(name)) for name in hub.list_checkpoints()]
    there = list(cached())
    names = {one["name"] for one in here}
    bare = [_untrained(name) for name in list_models() if name not in names]
    return [*sorted(here + bare, key=lambda one: one["name"]), *there]


def table(models: list[dict[str, Any]]) -> str:
    """For people: parameters by modality, and the weights."""
    width = max(len(one["name"]) for one in models)
    lines = [f"{'':<{width}}" + "".join(f"{name:>13}" for name in COLUMNS) + "  weights"]
    for one in models:
        sizes = "".join(f"{one['parameters'][name]:>13,}" for name in COLUMNS)
        lines.append(f"{one['name']:<{width}}{sizes}  {_where(one['weights'])}")
    return "\n".join([*lines, "Parameters are those of the training form."])


def _where(weights: Mapping[str, Any]) -> str:
    if weights == ABSENT:
        return "none here"
    size = f"{weights['bytes'] / 1e6:.1f} MB"
    return f"{weights['path']} ({size})" if "path" in weights else f"{weights['repository']} (Hub cache, {size})"


def _entry(
    name: str, architecture: str, emotions: Any, parameters: Mapping[str, int], weights: Mapping[str, Any]
) -> dict[str, Any]:
    counts = {key: int(value) for key, value in parameters.items()}
    return {
        "name": name,
        "architecture": architecture,
        "emotions": list(emotions),
        "parameters": {**counts, "total": sum(counts.values())},
        "weights": dict(weights),
    }


def _untrained(name: str) -> dict[str, Any]:
    """An architecture without weights, counted without being filled."""
    import torch

    from fv2es.models.registry import create_model

    with torch.device("meta"):
        model = create_model(name)
    return _entry(name, name, model.emotions, model.parameter_counts(), ABSENT)


def _shipped(checkpoint: Any) -> dict[str, Any]:
    from fv2es.hub import WEIGHTS

    file = checkpoint.folder / WEIGHTS
    weights: dict[str, Any] = ABSENT
    if file.is_file():
        weights = {
            "status": "here",
            "path": _relative(checkpoint.folder),
            "bytes": file.stat().st_size,
            "sha256": checkpoint.sha256,
        }
    return _entry(
        checkpoint.name, checkpoint.architecture, checkpoint.emotions, checkpoint.config["parameters"], weights
    )


def _relative(folder: Path) -> str:
    """Below the project's own folder where it is, else as it stands."""
    root = Path(__file__).resolve().parents[2]
    folder = folder.resolve()
    return folder.relative_to(root).as_posix() if folder.is_relative_to(root) else str(folder)


def cached(folder: Path | None = None) -> Iterator[dict[str, Any]]:
    """Checkpoints of ours in the Hub's cache (None: the usual one), by ORG/NAME@commit, which `--model` takes."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = sorted(scan_cache_dir(folder).repos, key=lambda one: one.repo_id)
    except CacheNotFound:
        return
    for repository in repositories:
        for revision in sorted(repository.revisions, key=lambda one: one.commit_hash):
            config = _config(revision.snapshot_path)
            if config:
                name = f"{repository.repo_id}@{revision.commit_hash}"
                weights = {
                    "status": "cached",
                    "repository": name,
                    "bytes": _weights(revision.snapshot_path).stat().st_size,
                    "sha256": config["sha256"],
                }
                yield _entry(name, config["architecture"], config["emotions"], config["parameters"], weights)


def _weights(folder: Path) -> Path:
    from fv2es.hub import WEIGHTS

    return folder / WEIGHTS


def _config(folder: Path) -> dict[str, Any] | None:
    """The config of a folder that holds a checkpoint of this project, None for any other folder."""
    from fv2es.hub import CONFIG

    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        logger.debug("no checkpoint of ours in %s: %s", folder, error)
        return None
    ours = isinstance(config, dict) and set(config) >= KEYS and _weights(folder).is_file()
    return config if ours else None
