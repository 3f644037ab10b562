"""What a decoding child may no longer ask the system for, and what it still may."""

import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from fv2es.media import seccomp

NUMBERS = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")

TRIED = """
import ctypes, os, pathlib, signal, socket, subprocess, sys, threading
from fv2es.media.seccomp import forbid

library = ctypes.CDLL(None, use_errno=True)
ran = []
before = threading.Event()
early = threading.Thread(target=lambda: (before.wait(), ran.append(tried(os.fork))))

def tried(what, *given):
    try:
        return what(*given)
    except PermissionError:
        return "refused"

def call(number, *given):
    return library.syscall(number, *given), ctypes.get_errno()

early.start()
if not forbid():
    print("no filters here")
    sys.exit()
folder = pathlib.Path(sys.argv[1])
before.set()
early.join()
late = threading.Thread(target=lambda: ran.append("ran"))
late.start()
late.join()
refused = {
    "fork": tried(os.fork),
    "a thread that was there already": ran[0],
    "clone": call(56, 17, 0, 0, 0, 0),
    "execve": tried(os.execv, sys.executable, [sys.executable, "-c", ""]),
    "subprocess": tried(subprocess.Popen, [sys.executable, "-c", ""]),
    "socket": tried(socket.socket),
    "unix socket": tried(socket.socketpair),
    "kill": tried(os.kill, os.getppid(), 0),
    "ptrace": call(101, 0, 0, 0, 0),
    "write": tried(open, folder / "new", "w"),
    "append": tried(open, folder / "old", "a"),
    "both": tried(open, folder / "old", "r+"),
    "open(2)": call(2, str(folder / "old").encode(), 2),
    "unlink": tried(os.unlink, folder / "old"),
    "rename": tried(os.rename, folder / "old", folder / "new"),
    "mkdir": tried(os.mkdir, folder / "new"),
    "chmod": tried(os.chmod, folder / "old", 0o777),
    "io_uring_setup": call(425, 1, 0),
    "the other set of calls": call(0x40000000 + 39),
}
for name, answer in refused.items():
    if answer not in ("refused", (-1, 1)):
        print(name, "was done:", answer)
allowed = {
    "a new thread": ran[1:] == ["ran"],
    "reading": (folder / "old").read_text() == "here",
    "a listing": os.listdir(folder) == ["old"],
    "memory": len(bytearray(50_000_000)) > 0,
    "clone3 is not there": call(435, 0, 0) == (-1, 38),
}
print(*[name for name, true in allowed.items() if not true])
"""


@pytest.mark.skipif(sys.platform != "linux" or platform.machine() != "x86_64", reason="a filter for Linux on x86-64")
def test_what_is_refused_and_what_is_not(tmp_path) -> None:
    (tmp_path / "old").write_text("here")
    command = [sys.executable, "-c", TRIED, str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout.strip()
    if said == "no filters here":
        pytest.skip("this host allows no filters")
    assert said == ""
    assert [one.name for one in tmp_path.iterdir()] == ["old"]


@pytest.mark.skipif(not NUMBERS.exists(), reason="the system's headers are not here")
def test_numbers_are_those_of_the_system() -> None:
    there = dict(re.findall(r"#define __NR_(\w+) (\d+)", NUMBERS.read_text()))
    named = (
        seccomp.FORBIDDEN | seccomp.INSTEAD | {"clone": seccomp.CLONE, "open": seccomp.OPEN, "openat": seccomp.OPENAT}
    )
    known = {name: number for name, number in named.items() if name in there}
    assert len(known) > 50
    assert known == {name: int(there[name]) for name in known}


@pytest.mark.parametrize(("system", "machine"), [("darwin", "x86_64"), ("linux", "aarch64"), ("win32", "AMD64")])
def test_elsewhere_nothing_happens(monkeypatch, system, machine) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(seccomp, "program", lambda: pytest.fail("it was loaded"))
    assert seccomp.forbid() is False


def test_every_way_through_the_filter_ends() -> None:
    """Each jump stays inside and each last step is an answer, or the kernel refuses the whole."""
    steps = seccomp.program()
    assert len(steps) < 4096
    for place, (what, so, not_so, _) in enumerate(steps):
        assert place + 1 + max(so, not_so) < len(steps) or what == seccomp.RETURN
    assert steps[-1] == (seccomp.RETURN, 0, 0, seccomp.ALLOW)
