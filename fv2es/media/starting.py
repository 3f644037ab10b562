"""Python processes of our own, which learn nothing that a stranger's file should come to know."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LEFT = ("LANG", "LC_ALL", "LC_CTYPE", "PYTHONUTF8", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")


def started(
    module: str, *arguments: object, settings: Mapping[str, str] | None = None, **more: Any
) -> subprocess.Popen[bytes]:
    """`python -m module arguments`, out of reach of a terminal's Ctrl-C: that is for us, who end ours in order.

    settings: more of its environment.
    """
    command = [sys.executable, "-S", "-P", "-m", module, *map(str, arguments)]
    environment = {**_environment(), **(settings or {})}
    return subprocess.Popen(command, bufsize=0, env=environment, start_new_session=True, **more)


def _environment() -> dict[str, str]:
    """Where Python finds its modules, and little more."""
    own = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(dict.fromkeys(os.path.abspath(one) for one in [*sys.path, own]))
    kept = {name: os.environ[name] for name in LEFT if name in os.environ}
    return kept | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
