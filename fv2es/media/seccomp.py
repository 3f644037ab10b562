"""Which calls of the system a decoding child may no longer make: Linux's seccomp filters, on x86-64.

https://docs.kernel.org/userspace-api/seccomp_filter.html. What decodes reads files and starts threads. It needs no
other program, process or connection, and changes no file. Elsewhere, and where a host forbids filters, all stays as it
was.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from itertools import chain

# Numbers of arch/x86/entry/syscalls/syscall_64.tbl, flags of the headers in include/uapi/.
FORBIDDEN = {
    # other programs and processes, and what they hold
    "fork": 57, "vfork": 58, "execve": 59, "execveat": 322, "ptrace": 101, "process_vm_readv": 310,
    "process_vm_writev": 311, "pidfd_getfd": 438,
    # signals to others
    "kill": 62, "rt_sigqueueinfo": 129, "tkill": 200, "tgkill": 234, "rt_tgsigqueueinfo": 297, "pidfd_send_signal": 424,
    # connections
    "socket": 41, "connect": 42, "bind": 49, "listen": 50, "socketpair": 53,
    # files that are changed
    "creat": 85, "truncate": 76, "rename": 82, "renameat": 264, "renameat2": 316, "mkdir": 83, "mkdirat": 258,
    "rmdir": 84, "unlink": 87, "unlinkat": 263, "link": 86, "linkat": 265, "symlink": 88, "symlinkat": 266,
    "mknod": 133, "mknodat": 259, "chmod": 90, "fchmod": 91, "fchmodat": 268, "fchmodat2": 452, "chown": 92,
    "fchown": 93, "lchown": 94, "fchownat": 260, "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190,
    # ways around all this
    "mount": 165, "unshare": 272, "setns": 308, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323,
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "add_key": 248, "request_key": 249,
    "keyctl": 250,
}  # fmt: skip
INSTEAD = {"clone3": 435, "openat2": 437}  # whose flags no filter sees; libraries know what to call in their place
CLONE, CLONE_THREAD = 56, 0x00010000
OPEN, OPENAT = 2, 257
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
X86_64, X32 = 0xC000003E, 0x40000000  # AUDIT_ARCH_X86_64, the first number of the other set of calls
SET_MODE_FILTER, ALL_THREADS, SPEC_ALLOW, SECCOMP, NO_NEW_PRIVS = 1, 1, 4, 317, 38
LOAD, EQUAL, AT_LEAST, ANY_OF, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # the machine's steps (linux/bpf_common.h)
ALLOW, REFUSE = 0x7FFF0000, 0x00050000  # the latter with an error number

Step = tuple[int, int, int, int]  # what, how many steps to skip if so, and if not, with which value


def forbid() -> bool:
    """From now on, in all threads, and never to be undone. False where nothing has changed."""
    if sys.platform != "linux" or platform.machine() != "x86_64" or sys.maxsize < 2**32:
        return False
    steps = program()
    held = b"".join(struct.pack("<HBBI", *step) for step in steps)
    filters = ctypes.create_string_buffer(held, len(held))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filters", ctypes.c_void_p))

    library = ctypes.CDLL(None, use_errno=True)
    given = Program(len(steps), ctypes.addressof(filters))
    if library.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return library.syscall(SECCOMP, SET_MODE_FILTER, ALL_THREADS | SPEC_ALLOW, ctypes.byref(given)) == 0


def program() -> list[Step]:
    """For the kernel's own small machine: load, compare, return."""
    refuse = _return(REFUSE | errno.EPERM)
    return [
        _load(4), (EQUAL, 1, 0, X86_64), refuse,
        _load(0), (AT_LEAST, 0, 1, X32), refuse,
        *chain.from_iterable(((EQUAL, 0, 1, number), refuse) for number in FORBIDDEN.values()),
        *chain.from_iterable(((EQUAL, 0, 1, number), _return(REFUSE | errno.ENOSYS)) for number in INSTEAD.values()),
        (EQUAL, 0, 4, CLONE), _load(16), (ANY_OF, 1, 0, CLONE_THREAD), refuse, _return(ALLOW),
        (EQUAL, 0, 4, OPEN), _load(24), (ANY_OF, 0, 1, WRITING), refuse, _return(ALLOW),
        (EQUAL, 0, 4, OPENAT), _load(32), (ANY_OF, 0, 1, WRITING), refuse, _return(ALLOW),
        _return(ALLOW),
    ]  # fmt: skip


def _load(where: int) -> Step:
    """4 bytes of the call that is asked for: its number at 0, its architecture at 4, its arguments from 16 on."""
    return (LOAD, 0, 0, where)


def _return(answer: int) -> Step:
    return (RETURN, 0, 0, answer)
