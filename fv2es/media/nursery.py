"""Where decoding children are born: `python -m fv2es.media.nursery`, started by `forked`.

It has loaded all that decodes, and never sees a file. For each request on its standard input, a socket, it forks, so
that a child begins within milliseconds, without the third of a second of processor time that loading takes. It tells
how each one ended. When its parent has gone it ends with the last of them. It has one thread, as whoever forks should.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import traceback
from contextlib import suppress

from fv2es.media import child

SHARED = 3  # the descriptor under which a child finds its memory


def main() -> None:
    import av  # noqa: F401  so that no child has to

    parent = socket.socket(fileno=0)
    wake, woken = os.pipe()
    for handle in (wake, woken):
        os.set_blocking(handle, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    tell: dict[int, int] = {}  # process → where its end is told
    wanted = True
    while wanted or tell:
        ready, _, _ = select.select([wake, *([parent.fileno()] if wanted else [])], [], [])
        if wake in ready:
            os.read(wake, 4096)
            _reap(tell)
        if parent.fileno() in ready:
            size, handles, _, _ = socket.recv_fds(parent, 64, 4)
            if wanted := len(handles) == 4:
                _bear(parent, int(size), handles, tell)


def _bear(parent: socket.socket, size: int, handles: list[int], tell: dict[int, int]) -> None:
    """Fork. The parent is told the new process's number, and given a hold of it."""
    *its, told = handles
    pid = os.fork()
    if pid == 0:
        _live(its, size)
    tell[pid] = told
    held = os.pidfd_open(pid)
    with suppress(OSError):  # it has gone meanwhile, and so will the child
        socket.send_fds(parent, [str(pid).encode()], [held])
    for handle in (held, *its):
        os.close(handle)


def _live(its: list[int], size: int) -> None:
    """As a process that has just been started: nothing is open but standard error and what belongs to this child."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        held = [os.dup(one) for one in its]  # for they may lie where others are to be put
        for place, handle in zip((0, 1, SHARED), held, strict=True):
            os.dup2(handle, place)
        for one in map(int, os.listdir("/proc/self/fd")):
            if one > SHARED:
                with suppress(OSError):  # that of the list itself
                    os.close(one)
        child.main(SHARED, size)
        code = 0
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(code)


def _reap(tell: dict[int, int]) -> None:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            told = tell.pop(ended[0])
            with suppress(OSError):  # nobody wants to know
                os.write(told, str(os.waitstatus_to_exitcode(ended[1])).encode())
            os.close(told)


if __name__ == "__main__":
    main()
