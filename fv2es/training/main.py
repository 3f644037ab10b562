"""`python -m fv2es train`: from data to a checkpoint, with fixed seeds; a run that was stopped goes on where it was.

Either a recipe, which trains a whole model on the IEMOCAP or CMU-MOSEI pack (docs/training.md), or a stage of the
compact models, which learn each modality from public corpora of its own. The stages `faces` and `voice` also train
those networks of `fe2e`, `v2em`, `rfam-focal` and their mixtures in the papers' sizes.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fv2es.training.configs import shipped

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from fv2es.data.texts import Sentence
    from fv2es.models.multimodal import MultimodalModel
    from fv2es.training.loop import Recipe
    from fv2es.training.words import Diet

COMPACT = "v2em-compact"
APART = ("faces", "voice", "functionals", "pretraining", "words")
STAGES = (*APART, "joint", "checkpoint")
WIDER = 4  # how many times as wide as the compact networks those of the papers are
_OF_RECIPES = ("corpus", "device", "workers", "again")
_OF_STAGES = ("teacher", "plain")
JOINT = "emotion-queries-compact"  # the model whose fusion is trained too, on the networks of another


def parser() -> argparse.ArgumentParser:
    """The options of `python -m fv2es train`."""
    options = argparse.ArgumentParser(prog="python -m fv2es train", description=__doc__)
    options.add_argument(
        "what",
        metavar="RECIPE|STAGE",
        help=f"a TOML file or a recipe that ships, {', '.join(shipped())}; or a stage, all, {', '.join(STAGES)}",
    )
    options.add_argument(
        "--data", type=Path, help=f"the folder of the data (default: the recipe's; for stages {_data()})"
    )
    options.add_argument("--model", help=f"another model than the recipe's; for stages a compact one ({COMPACT})")
    options.add_argument("--run", type=Path, help="where states and logs are kept (default: runs/NAME)")
    options.add_argument("--out", type=Path, help="the finished checkpoint (default: checkpoints/NAME)")
    options.add_argument("--teacher", help="a folder with the words' teacher (default: as published on the Hub)")
    options.add_argument("--plain", type=Path, help="a folder of plain speech for the voice (docs/training.md)")
    options.add_argument("--epochs", type=int, help="instead of the recipe's, for a quick try")
    options.add_argument(
        "--threads", type=int, help="of torch; for stages 1, as one process per core beats two threads"
    )
    whole = options.add_argument_group("of recipes alone")
    whole.add_argument("--corpus", metavar="NAME", help="iemocap or mosei, where the folder has both")
    whole.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 … (default: the GPU where there is one)")
    whole.add_argument("--workers", type=int, default=0, help="processes that make batches ready (default: none)")
    whole.add_argument("--again", action="store_true", help="score the test split although it was scored before")
    return options


def _data() -> Path:
    return Path(os.environ.get("FV2ES_DATA", "../shared/data"))


def main(arguments: Sequence[str]) -> int:
    """Run the stages asked for; a stopped run goes on where it was. Returns the exit status."""
    args = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    staged = args.what in ("all", *STAGES)
    _refuse_the_others(args, _OF_RECIPES if staged else _OF_STAGES, "a recipe" if staged else "a stage")
    return _stages(args) if staged else _whole(args)


def _refuse_the_others(args: argparse.Namespace, options: Sequence[str], of: str) -> None:
    """Raises ValueError where an option is given that would be passed over."""
    given = parser()
    for name in options:
        if getattr(args, name) != given.get_default(name):
            raise ValueError(f"--{name} is an option of {of}; {args.what} has no use for it.")


def _whole(args: argparse.Namespace) -> int:
    import torch

    from fv2es.training.run import Options, train

    if args.threads:
        torch.set_num_threads(args.threads)
    changes = {key: value for key in ("model", "epochs") if (value := getattr(args, key)) is not None}
    places = {key: getattr(args, key) for key in ("data", "corpus", "run", "out", "device", "workers", "again")}
    train(args.what, Options(**places, changes=changes))
    return 0


def _stages(args: argparse.Namespace) -> int:
    import torch

    args.model = args.model or COMPACT
    args.data = args.data or _data()
    args.run = args.run or Path("runs") / args.model
    args.out = args.out or Path("checkpoints") / args.model
    torch.set_num_threads(args.threads or 1)
    # What cannot be done is said now, not after the first stages.
    if args.epochs is not None and args.epochs < 1:
        raise ValueError("--epochs needs a number of at least 1.")
    if args.plain and not (args.plain / "index.tsv").is_file():
        raise ValueError(f"There is no plain speech in {args.plain}: it needs an index.tsv (docs/training.md).")
    if args.what in ("all", "checkpoint") and args.model != JOINT:
        _fresh_model(args.model)
    wanted = [stage for stage in STAGES if stage != "joint" or args.model == JOINT]
    for stage in wanted if args.what == "all" else (args.what,):
        _run(stage, args)
    return 0


def _run(stage: str, args: argparse.Namespace) -> None:
    if stage == "checkpoint":
        from fv2es.training.checkpoint import build

        build(args.model, args.data, args.run, args.out, args.plain)
    elif stage == "joint":
        _train_joint(args)
    elif args.model == JOINT:
        from fv2es.training.joint import NETWORKS

        _train(stage, argparse.Namespace(**vars(args) | {"model": NETWORKS, "run": args.run.parent / NETWORKS}))
    else:
        _train(stage, args)


def _train(stage: str, args: argparse.Namespace) -> None:
    from fv2es.training import faces, functionals, pretraining, voice, words
    from fv2es.training.loop import Task, fit

    tasks: dict[str, tuple[Callable[..., Task], Recipe]] = {
        "faces": (faces.FaceTask, faces.RECIPE),
        "voice": (voice.VoiceTask, voice.RECIPE),
        "functionals": (partial(functionals.FunctionalsTask, plain=args.plain), functionals.RECIPE),
        "pretraining": (pretraining.PretrainingTask, pretraining.RECIPE),
        "words": (words.WordsTask, words.RECIPE),
    }
    make, recipe = tasks[stage]
    if stage == "voice" and args.model in voice.EPOCHS:
        recipe = replace(recipe, epochs=voice.EPOCHS[args.model])
    if args.epochs:
        recipe = replace(recipe, epochs=args.epochs)
    if stage == "words":
        _train_words(recipe, args)
    elif stage == "voice":
        _train_voice(recipe, args)
    else:
        model = _fresh_model(args.model, paper_sized=stage == "faces")
        recipe = _suited(recipe, model)
        fit(make(model, args.data, args.run.parent / "cache", recipe), recipe, args.run / stage)


def _train_joint(args: argparse.Namespace) -> None:
    """Emotion queries over the networks of another model, whose runs lie beside this one."""
    import torch

    from fv2es.models.compact_queries import CompactQueries
    from fv2es.training import checkpoint, joint
    from fv2es.training.loop import fit

    if args.model != JOINT:
        raise ValueError(f"{args.model} has no fusion that is trained on its own, as {JOINT} has.")
    recipe = replace(joint.RECIPE, epochs=args.epochs or joint.RECIPE.epochs)
    teacher = checkpoint.networks(args.data, args.run.parent, args.plain)
    torch.manual_seed(0)
    model = CompactQueries.over(teacher)
    fit(
        joint.JointTask(model, args.data, args.run.parent / "cache", recipe, teacher, args.plain),
        recipe,
        args.run / "joint",
    )


def _train_voice(recipe: Recipe, args: argparse.Namespace) -> None:
    """The teacher, then the network that learns from it; the teacher's own model needs the first alone. Where there is
    plain speech, both learn on with it, a network that had fewer epochs before for as much fewer."""
    from fv2es.training import voice

    patient = replace(voice.RECIPE, epochs=args.epochs or voice.RECIPE.epochs)
    teacher = None if args.model == voice.TEACHER else _learn_voice(voice.TEACHER, patient, args, "voice-teacher")
    student = _learn_voice(args.model, recipe, args, "voice", teacher)
    if args.plain:
        gentle = replace(voice.PLAIN, epochs=args.epochs or voice.PLAIN.epochs)
        if teacher is not None:
            teacher = _learn_voice(voice.TEACHER, gentle, args, "plain-teacher", begun=teacher)
        fewer = replace(gentle, epochs=round(gentle.epochs * recipe.epochs / patient.epochs))
        _learn_voice(args.model, fewer, args, "plain", teacher, begun=student)


def _learn_voice(
    name: str,
    recipe: Recipe,
    args: argparse.Namespace,
    stage: str,
    teacher: nn.Module | None = None,
    begun: nn.Module | None = None,
) -> nn.Module:
    """A model's voice, trained; one that was `begun` without plain speech learns on with it."""
    from fv2es.training import voice
    from fv2es.training.loop import fit

    plain = None if begun is None else args.plain
    model = _fresh_model(name, paper_sized=True)
    recipe = _suited(recipe, model)
    task = voice.VoiceTask(model, args.data, args.run.parent / "cache", recipe, plain)
    if begun is not None:
        task.model.load_state_dict(begun.state_dict())
    if teacher is not None:
        task.distil(teacher)
    learnt = fit(task, recipe, args.run / stage)
    task.model.load_state_dict(learnt if begun is None else voice.blend(begun.state_dict(), learnt))
    return task.model


def _train_words(recipe: Recipe, args: argparse.Namespace) -> None:
    """A teacher, then the network that learns from it, which begins with the pretrained encoder; then two more
    teachers, of whom and of itself it learns on."""
    import numpy as np

    from fv2es.models.words import Words
    from fv2es.training import pretraining, taught, words
    from fv2es.training.loop import fit

    model, cache = _fresh_model(args.model), args.run.parent / "cache"
    assert isinstance(model.words, Words)
    pretraining.load_encoder(model.words.encoder, args.run / "pretraining")
    first = words.WordsTask(model, args.data, cache, recipe)
    (said,) = _heard(words.TEACHER_RECIPE, words.Diet(), [first.train], model, args, "words-teacher")
    first.distil(said)
    first.model.load_state_dict(fit(first, recipe, args.run / "words-first"))
    again = replace(taught.RECIPE, epochs=args.epochs or taught.RECIPE.epochs)
    student = taught.TaughtTask(model, args.data, cache, again)
    heard = [[first.says(form) for form in student.forms]]
    for number, (rules, diet) in enumerate(taught.TEACHERS, start=2):
        heard.append(_heard(rules, diet, student.forms, model, args, f"words-teacher-{number}"))
    student.teach([np.mean(said, axis=0) for said in zip(*heard, strict=True)])
    fit(student, again, args.run / "words")


def _heard(
    recipe: Recipe,
    diet: Diet,
    forms: Sequence[Sequence[Sentence]],
    model: MultimodalModel,
    args: argparse.Namespace,
    stage: str,
) -> list[np.ndarray]:
    """What a teacher says of each form of the sentences, when it has learnt."""
    import numpy as np

    from fv2es.atomic import atomic_file
    from fv2es.training import words
    from fv2es.training.loop import fit

    said = args.run / stage / "said.npy"
    if not said.exists():
        recipe = replace(recipe, epochs=args.epochs or recipe.epochs)
        teacher = words.TeacherTask(args.teacher or words.TEACHER, args.data, model.inputs.max_tokens, recipe, diet)
        teacher.model.load_state_dict(fit(teacher, recipe, said.parent))
        with atomic_file(said) as stream:
            np.save(stream, np.stack([teacher.says(form) for form in forms]))
    return list(np.load(said))


def _fresh_model(name: str, paper_sized: bool = False) -> MultimodalModel:
    """Untrained, always with the same weights. paper_sized: may it be of a paper's size?

    Raises ValueError for one that cannot be trained so.
    """
    import torch

    from fv2es.models.family import is_compact
    from fv2es.models.multimodal import MultimodalModel, Trunked
    from fv2es.models.registry import create_model

    torch.manual_seed(0)
    model = create_model(name)
    if type(model) is not MultimodalModel or not isinstance(model.face, Trunked):
        raise ValueError(f"{name} cannot be trained modality by modality, as {COMPACT} and its like can.")
    if not (paper_sized or is_compact(model)):
        raise ValueError(f"Of {name}, which is of a paper's size, the stages train faces and voice alone.")
    return model


def _suited(recipe: Recipe, model: MultimodalModel) -> Recipe:
    """For a network of a paper's size, which is some four times as wide, with as much lower a rate (Yang et al. 2022,
    "Tensor Programs V", arXiv 2203.03466: Adam's best rate falls with the width)."""
    from fv2es.models.family import is_compact

    return recipe if is_compact(model) else replace(recipe, lr=recipe.lr / WIDER)
