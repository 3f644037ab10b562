"""Who may import whom: a video flows one way, and no module knows more than the nouns before it.

Read from the source, so that an import inside a function counts too; imports for type checkers alone do not.
"""

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Walk = Callable[[ast.AST], Iterator[ast.AST]]

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted([*(ROOT / "fv2es").rglob("*.py"), *ROOT.glob("app.py")])

NOUNS = ("schema", "emotions")
MODALITIES = (*NOUNS, "limits", "media", "stopping", "threads", "utterances", "modalities")
MODEL = (*NOUNS, "atomic", "modalities.spectrogram", "stopping", "threads", "hub", "models", "reader")
DATA = (*MODALITIES, "atomic", "fingerprints", "data")

# module (or package) → what of fv2es it may import; the longest name that fits a module counts.
ALLOWED = {
    "": ("media", "models", "pipeline", "reader"),  # the public names
    "__main__": ("cli",),
    "schema": NOUNS,
    "emotions": NOUNS,
    "atomic": (),
    "fingerprints": (),
    "limits": (),
    "stopping": (),
    "threads": (),
    "traces": (),
    "media": (*NOUNS, "limits", "stopping", "traces", "media"),
    "utterances": (*NOUNS, "limits", "utterances"),
    "modalities": MODALITIES,
    "modalities.spectrogram": (*NOUNS, "threads"),
    "models": (*NOUNS, "atomic", "modalities.spectrogram", "models"),
    "hub": (*NOUNS, "limits", "models", "hub", "remote"),
    "remote": ("hub", "remote"),
    "reader": MODEL,
    "results": (*NOUNS, "results"),
    "metrics": (*NOUNS, "results"),
    "views": (*NOUNS, "modalities.spectrogram", "modalities.speech.languages", "results", "views"),
    "takeaway": (*NOUNS, "atomic", "limits", "media", "results", "takeaway"),
    "data": DATA,
    "training": (*DATA, *MODEL, "metrics", "results", "training", "views.curves"),
    "memory": (),
    "pipeline": (*MODALITIES, *MODEL, "results", "memory"),
    "again": (*MODEL, "results"),
    "evaluation": (*DATA, *MODEL, "results", "metrics"),
    "comparison": (*DATA, *MODEL, "results", "metrics", "evaluation", "training", "comparison"),
    "ui": ("traces", *MODALITIES, *MODEL, "pipeline", "again", "results", "views", "takeaway", "ui"),
    "batch": (*DATA, *MODEL, "pipeline", "results", "takeaway", "batch"),
    "cli": None,  # everything
    "app": ("ui", "limits", "threads"),
}

# package from outside → the modules that may import it.
KEEPERS = {
    "av": ("media", "takeaway.mp4"),  # reading, writing
    "gradio": ("ui", "app"),
    "spaces": ("ui", "app"),
    "matplotlib": ("views", "ui", "takeaway.fonts"),
    "facenet_pytorch": ("modalities", "models"),
    "silero_vad": ("utterances",),
    "onnxruntime": ("utterances",),
    "faster_whisper": ("modalities.speech",),
    "pocketsphinx": ("modalities.speech",),
    "huggingface_hub": ("remote", "modalities.speech", "models", "cli"),
}
NUMPY_ONLY = ("schema", "emotions", "results", "metrics")
NO_TORCH = (
    *NUMPY_ONLY,
    "views",
    "takeaway",
    "media",
    "limits",
    "stopping",
    "traces",
    "pipeline",
    "again",
    "evaluation",
    "ui",
    "app",
)


def module_name(path: Path) -> str:
    """Dotted name below fv2es; "" for the package itself."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return ".".join(parts[1:]) if parts[0] == "fv2es" else parts[0]


def exists(name: str) -> bool:
    """Is `name`, dotted below fv2es, a module or a package?"""
    path = ROOT.joinpath("fv2es", *name.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


def for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def at_the_top(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs when the module is imported: what stands in functions waits for its call."""
    yield node
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        for child in node.orelse if for_type_checkers(node) else ast.iter_child_nodes(node):
            yield from at_the_top(child)


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs: the branch under `if TYPE_CHECKING` does not."""
    yield node
    children = node.orelse if for_type_checkers(node) else ast.iter_child_nodes(node)
    for child in children:
        yield from walk(child)


def imports(source: str, package: str, nodes: Walk = walk) -> Iterator[str]:
    """Dotted names that `source` imports, "fv2es.x" for the package's own; `package` resolves relative ones."""
    for node in nodes(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join([*parts[: len(parts) - node.level + 1], *([base] if base else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                own = whole.startswith("fv2es.") and exists(whole.removeprefix("fv2es."))
                yield whole if own else base


def imports_of(path: Path, nodes: Walk = walk) -> set[str]:
    name = module_name(path)
    package = (
        ".".join(["fv2es", *name.split(".")]) if path.name == "__init__.py" else f"fv2es.{name}".rpartition(".")[0]
    )
    return set(imports(path.read_text(encoding="utf-8"), package.rstrip("."), nodes))


def within(name: str, package: str) -> bool:
    return name == package or (package != "" and name.startswith(f"{package}."))


def rule_of(name: str) -> str:
    fitting = [key for key in ALLOWED if within(name, key)]
    assert fitting, f"{name} has no row in the table of directions: give it one"
    return max(fitting, key=len)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_own_modules(path):
    allowed = ALLOWED[rule_of(module_name(path))]
    own = {name.removeprefix("fv2es").removeprefix(".") for name in imports_of(path) if within(name, "fv2es")}
    if allowed is not None:
        strangers = {name for name in own if not any(within(name, one) for one in allowed)}
        assert not strangers, f"{path.name} may import {allowed} of fv2es, not {sorted(strangers)}"
    if not within(module_name(path), "cli") and module_name(path) != "__main__":
        assert not any(within(name, "cli") for name in own), "no module imports the command line"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_packages_from_outside(path):
    name = module_name(path)
    outside = {one.partition(".")[0] for one in imports_of(path)} - {"fv2es"}
    for package, keepers in KEEPERS.items():
        allowed = any(within(name, keeper) for keeper in keepers)
        assert package not in outside or allowed, f"only {keepers} import {package}"
    if any(within(name, one) for one in NO_TORCH):
        assert not outside & {"torch", "torchaudio", "torchvision", "transformers"}
    if any(within(name, one) for one in NUMPY_ONLY):
        assert outside - sys.stdlib_module_names <= {"numpy"}


@pytest.mark.parametrize("path", [path for path in FILES if within(module_name(path), "cli")], ids=lambda p: p.stem)
def test_the_command_line_answers_at_once(path):
    allowed = (*sys.stdlib_module_names, "fv2es.cli")
    slow = {name for name in imports_of(path, at_the_top) if not any(within(name, one) for one in allowed)}
    assert not slow, f"import {sorted(slow)} inside the function that needs it"


def test_the_table_names_modules_that_may_be_imported():
    for keepers in ALLOWED.values():
        assert all(key.partition(".")[0] in ALLOWED for key in keepers or ())


@pytest.mark.parametrize(
    ("source", "package", "found"),
    [
        ("import av.container as c", "fv2es", {"av.container"}),
        ("def f():\n  from fv2es.schema import Span", "fv2es", {"fv2es.schema"}),
        ("from fv2es import schema", "fv2es", {"fv2es.schema"}),
        ("from . import schema", "fv2es", {"fv2es.schema"}),
        ("from ..schema import Span", "fv2es.modalities", {"fv2es.schema"}),
        ("if TYPE_CHECKING:\n  import torch\nelse:\n  import numpy", "fv2es", {"numpy"}),
        ("try:\n  import gradio\nexcept ImportError:\n  pass", "fv2es", {"gradio"}),
    ],
)
def test_the_reading_of_imports(source, package, found):
    assert set(imports(source, package)) == found


def test_what_stands_in_functions_waits():
    source = "import os\nif TYPE_CHECKING:\n  import av\nclass A:\n  import re\n  def f(self):\n    import torch"
    assert set(imports(source, "fv2es", at_the_top)) == {"os", "re"}
