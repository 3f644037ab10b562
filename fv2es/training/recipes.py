"""Recipes of whole models: TOML files, those of the papers in `configs/`, or a person's own upon one of them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from fv2es.data.packs import CORPORA
from fv2es.training.configs import FOLDER, shipped
from fv2es.training.loop import Recipe
from fv2es.training.losses import LOSSES

SCORES = ("f1", "f1_weighted", "wacc", "accuracy", "loss")
PLACES = ("data", "corpus", "recipe")  # keys that say where, not what
AT_LEAST = {"epochs": 1, "batch": 1, "lr": 0, "weight_decay": 0, "warm": 0, "average": 0, "clip": 0, "patience": 0}

Layer = Mapping[str, Any]


@dataclass(frozen=True)
class Config:
    """What is trained, and how.

    score: the figure on validation that decides which epoch is kept, by `fv2es.metrics.NAMES` (the mean over the
    emotions), or loss. pretrained: begin with the published weights of the parts that have such.
    """

    model: str
    recipe: Recipe
    loss: str = "bce"
    score: str = "f1"
    pretrained: bool = False


def read_layers(what: str | Path) -> tuple[Layer, ...]:
    """A TOML file, or the name of one that ships, behind the one that its key `recipe` names.

    `data` becomes a path, below the file's folder where it is a relative one. Raises ValueError.
    """
    path = Path(what)
    if path.suffix != ".toml":
        if str(what) not in shipped():
            raise ValueError(f"There is no recipe {str(what)!r}; those that ship: {', '.join(shipped())}.")
        path = FOLDER / f"{what}.toml"
    try:
        layer = tomllib.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is not a TOML file ({error}).") from error
    if "data" in layer:
        layer["data"] = path.parent / _typed(path.name, "data", layer["data"], str)
    base = layer.get("recipe")
    if base is None:
        return (layer,)
    if base not in shipped():
        raise ValueError(f"{path.name}: there is no recipe {base!r}; those that ship: {', '.join(shipped())}.")
    return (*read_layers(base), layer)


def place(layers: Sequence[Layer], key: str) -> Any:
    """The last word on `data` or `corpus`, None where there is none."""
    return next((layer[key] for layer in reversed(layers) if key in layer), None)


def settle(layers: Sequence[Layer], corpus: str) -> Config:
    """Later layers win; in each, the table of `corpus` wins over what stands above it. Raises ValueError."""
    values: dict[str, Any] = {}
    for layer in layers:
        own = layer.get(corpus, {})
        if not isinstance(own, dict):
            raise ValueError(f"{corpus} needs to be a table, [{corpus}], in the recipe.")
        values |= {key: value for key, value in layer.items() if key not in CORPORA} | own
    known = {one.name: one for one in (*fields(Recipe), *fields(Config)) if one.name != "recipe"}
    if strangers := set(values) - set(known) - set(PLACES):
        raise ValueError(f"Unknown in a recipe: {', '.join(sorted(strangers))}; known: {', '.join(sorted(known))}.")
    if lacking := {"model", "epochs", "batch", "lr"} - set(values):
        raise ValueError(f"The recipe says nothing of {', '.join(sorted(lacking))}.")
    kinds = {"int": int, "float": float, "bool": bool, "str": str}
    checked = {key: _typed("The recipe", key, value, kinds[str(known[key].type)])
               for key, value in values.items() if key not in (*PLACES, "rates")}  # fmt: skip
    for key, known_names in (("loss", LOSSES), ("score", SCORES)):
        if checked.get(key, known_names[0]) not in known_names:
            raise ValueError(f"Unknown {key} {checked[key]!r}; known: {', '.join(known_names)}.")
    checked["rates"] = _rates(values.get("rates", {}))
    own_names = {one.name for one in fields(Recipe)}
    recipe = Recipe(**{key: value for key, value in checked.items() if key in own_names})
    return Config(recipe=recipe, **{key: value for key, value in checked.items() if key not in own_names})


def _typed(where: str, key: str, value: Any, kind: type) -> Any:
    """`value`, if it is of the kind that `key` needs."""
    fits = type(value) is kind or (kind is float and type(value) is int)
    if not fits or (key in AT_LEAST and not value >= AT_LEAST[key]) or (key == "lr" and not value):
        least = (
            f" of at least {AT_LEAST[key]}" if key in AT_LEAST and key != "lr" else " above 0" if key == "lr" else ""
        )
        named = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}[kind]
        raise ValueError(f"{where}: {key} needs {named}{least}, got {value!r}.")
    return kind(value)


def _rates(values: Any) -> tuple[tuple[str, float], ...]:
    if not isinstance(values, dict):
        raise ValueError(f'The recipe: rates needs a table such as {{ "words.encoder" = 0.1 }}, got {values!r}.')
    return tuple((prefix, _typed("The recipe's rates", prefix, value, float)) for prefix, value in values.items())
