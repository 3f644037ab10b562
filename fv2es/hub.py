"""Weights and their meaning: `checkpoints/NAME/` beside the package, or a repository of the Hub (`fv2es.remote`).

A checkpoint folder holds `config.json`, `model.safetensors`, what the tokenizer needs and a model card. Nothing but
safetensors is ever loaded, and the file must have the SHA-256 that the config names.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fv2es.emotions import MOSEI

if TYPE_CHECKING:
    from fv2es.models.multimodal import MultimodalModel

WEIGHTS, CONFIG, CARD, TOKENIZER = "model.safetensors", "config.json", "README.md", "tokenizer.json"
FORMAT = 1


class CheckpointError(ValueError):
    """A checkpoint cannot be found or used; the message is one sentence for a person."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a folder of weights says of itself. thresholds: (E,) probabilities in the order of `emotions`."""

    name: str
    folder: Path
    architecture: str
    emotions: tuple[str, ...]
    thresholds: np.ndarray
    config: dict[str, Any]

    @property
    def sha256(self) -> str:
        """Of the weights' file, in hexadecimal, as the config names it."""
        return self.config["sha256"]

    @property
    def identity(self) -> dict[str, Any]:
        """What a result names, so that every score can be traced to its weights."""
        keys = ("version", "licence", "trained_on")
        return {"name": self.name, "sha256": self.sha256} | {
            key: self.config[key] for key in keys if key in self.config
        }


def folders() -> Path:
    """Where checkpoints lie: FV2ES_CHECKPOINTS, or `checkpoints/` beside the package."""
    return Path(os.environ.get("FV2ES_CHECKPOINTS", Path(__file__).parent.parent / "checkpoints"))


def list_checkpoints() -> tuple[str, ...]:
    """Names of the checkpoints that are here, sorted."""
    return tuple(sorted(path.parent.name for path in folders().glob(f"*/{CONFIG}")))


def find(name: str) -> Path | None:
    """The folder of a checkpoint that is here, None where there is none of that name."""
    folder = folders() / name
    return folder if name in list_checkpoints() else None


def open_checkpoint(name: str) -> Checkpoint:
    """The checkpoint called `name`, or `ORG/NAME[@revision]` of the Hub. Raises CheckpointError."""
    if os.sep in name and (Path(name) / CONFIG).is_file():
        raise CheckpointError(
            f"Checkpoints go by their names, not by paths: {Path(name).resolve().name!r}, with FV2ES_CHECKPOINTS set "
            "to the folder that holds it where that is not the one of the project."
        )
    if "/" in name:
        from fv2es.remote import fetch  # which needs this module

        folder: Path | None = fetch(name)
    else:
        folder = find(name)
    if folder is None:
        known = ", ".join(list_checkpoints()) or "none"
        raise CheckpointError(f"There are no trained weights for {name!r} here; those that are: {known}.")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        emotions = tuple(config["emotions"])
        thresholds = np.array([config["thresholds"][emotion] for emotion in emotions], np.float64)
        if config["format"] != FORMAT or not isinstance(config["sha256"], str):
            raise ValueError(f"needs format {FORMAT} and a SHA-256, got {config['format']} and {config['sha256']}")
        return Checkpoint(name, folder, config["architecture"], emotions, thresholds, config)
    except OSError as error:
        raise CheckpointError(f"The checkpoint {name!r} has no {CONFIG} that can be read.") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"The checkpoint {name!r} has no usable {CONFIG} ({error}).") from error


def weights_of(checkpoint: Checkpoint) -> Path:
    """The file of the weights, which are those that the config names. Raises CheckpointError."""
    weights = checkpoint.folder / WEIGHTS
    if not weights.is_file():
        raise CheckpointError(f"The checkpoint {checkpoint.name!r} has no {WEIGHTS}.")
    if sha256(weights) != checkpoint.sha256:
        raise CheckpointError(f"The weights of {checkpoint.name!r} are not those its config names (SHA-256 differs).")
    return weights


def load_model(checkpoint: Checkpoint) -> MultimodalModel:
    """The model with its weights, in eval mode and inference form. Raises CheckpointError."""
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    from fv2es.models.blocks.repvgg import fold
    from fv2es.models.inputs import InputConfig
    from fv2es.models.registry import create_model

    weights = weights_of(checkpoint)
    try:
        with safe_open(str(weights), framework="pt") as file:
            learnt = (file.metadata() or {}).get("emotions")  # what no edit of the config can change
        model = create_model(checkpoint.architecture, learnt.split(",") if learnt else MOSEI)
    except SafetensorError as error:
        raise CheckpointError(f"The weights of {checkpoint.name!r} do not fit {checkpoint.architecture}.") from error
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"The checkpoint {checkpoint.name!r} cannot be used: {error}") from error
    if (checkpoint.emotions, checkpoint.config.get("readout")) != (model.emotions, model.readout):
        raise CheckpointError(f"{checkpoint.name!r} and {checkpoint.architecture} differ in emotions or read-out.")
    try:
        model.inputs = InputConfig.from_dict(checkpoint.config["inputs"])
        model.load_state_dict(load_file(str(weights)))
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"The weights of {checkpoint.name!r} do not fit {checkpoint.architecture}.") from error
    fold(model.eval().requires_grad_(False))
    return model


def save(model: MultimodalModel, folder: Path, config: dict[str, Any]) -> None:
    """Write weights (training form) and config; `config` adds thresholds, metrics, licence and the like."""
    from safetensors.torch import save as serialise

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    # The library's own `save_file` leaves a file that nobody but its owner may read.
    # One entry alone: the library writes several in random order, and the same weights are to have the same SHA-256.
    (folder / WEIGHTS).write_bytes(serialise(tensors, metadata={"emotions": ",".join(model.emotions)}))
    whole = {
        "format": FORMAT,
        "emotions": list(model.emotions),
        "readout": model.readout,
        "inputs": asdict(model.inputs),
        "parameters": model.parameter_counts(),
        "sha256": sha256(folder / WEIGHTS),
    }
    (folder / CONFIG).write_text(json.dumps(whole | config, indent=2) + "\n", encoding="utf-8")


def sha256(path: Path) -> str:
    """Of a file's content, in hexadecimal."""
    with path.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()
