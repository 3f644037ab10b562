"""Pickles from elsewhere, read as data: a pickle is a program, and this runs none of it.

Two fences. First the opcodes are gone through, without doing anything, and only those are let through that plain data
and numpy arrays need. Then Python's own unpickler runs, but every name that the pickle may ask for leads to a function
of this module, which checks what it is given; all other names are refused. No function of numpy or of anybody else is
ever called with what stands in the file.

It guards against code and against outsize memory, not against a file that takes long to go through.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, Never

import numpy as np

MAX_BYTES = 256 * 2**20  # of a pickle; that of the largest pack has a few million
MAX_DEPTH = 16  # of containers in containers

_OPCODES = {
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET",
    "LONG_BINGET", "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4",
    "FLOAT", "BINFLOAT", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8", "EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_TUPLE", "TUPLE", "TUPLE1",
    "TUPLE2", "TUPLE3", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "EMPTY_SET", "ADDITEMS", "FROZENSET", "GLOBAL",
    "STACK_GLOBAL", "REDUCE", "BUILD",
}  # fmt: skip
_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|[US][1-9]\d{0,5}")
_SCALARS = (type(None), bool, int, float, str, bytes, np.generic)


class RefusedPickle(ValueError):
    """The file is no pickle of plain data; one sentence that says why."""


def load_plain(path: Path) -> Any:
    """What a pickle file holds: dict, list, tuple, set, frozenset, str, bytes, numbers, None, and numpy arrays and
    scalars of numbers or text. Raises RefusedPickle for anything else, OSError where it cannot be opened."""
    with path.open("rb") as stream:
        return loads_plain(stream.read(MAX_BYTES + 1))


def loads_plain(content: bytes) -> Any:
    """The same, from the file's bytes."""
    if len(content) > MAX_BYTES:
        raise RefusedPickle(f"The pickle is larger than {MAX_BYTES // 2**20} MiB.")
    _check_opcodes(content)
    try:
        return _finished(_Unpickler(io.BytesIO(content)).load(), {})
    except RefusedPickle:
        raise
    except Exception as error:  # a damaged pickle can make the unpickler raise nearly anything
        raise RefusedPickle(f"The pickle is damaged ({type(error).__name__}).") from error


def _check_opcodes(content: bytes) -> None:
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name not in _OPCODES:
                raise RefusedPickle(f"The pickle holds more than plain data (opcode {opcode.name}).")
            # the unpickler makes room for as many remembered objects as the number says
            if opcode.name.endswith("PUT") and int(argument or 0) > len(content):
                raise RefusedPickle("The pickle asks for more memory than its size can need.")
    except RefusedPickle:
        raise
    except Exception as error:  # as above
        raise RefusedPickle("The file is no complete pickle.") from error


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _NAMES[module, name]
        except KeyError:
            raise RefusedPickle(f"The pickle holds more than plain data ({module}.{name}).") from None

    def persistent_load(self, pid: Any) -> Never:
        raise RefusedPickle("The pickle holds more than plain data (a persistent id).")


def _finished(value: Any, known: dict[int, Any], depth: int = 0) -> Any:
    """The same value with arrays in place of their placeholders; `known`: by id, what was finished before."""
    if isinstance(value, _SCALARS):
        return value
    if id(value) in known:
        return known[id(value)]
    if depth == MAX_DEPTH:
        raise RefusedPickle(f"The pickle nests deeper than {MAX_DEPTH} levels.")
    finished: Any
    if isinstance(value, _Array):
        finished = value.array
    elif type(value) is dict:
        finished = {_finished(k, known, depth + 1): _finished(v, known, depth + 1) for k, v in value.items()}
    elif type(value) in (list, tuple, set, frozenset):
        finished = type(value)(_finished(one, known, depth + 1) for one in value)
    else:
        raise RefusedPickle(f"The pickle holds more than plain data (a bare {type(value).__name__.strip('_')}).")
    known[id(value)] = finished
    return finished


class _Function:
    """What a name in a pickle leads to. Nothing can be set on it, so that no file leaves a mark on later ones."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> Never:
        raise RefusedPickle("The pickle tries to alter a function.")


class _DType:
    """An array's type: numbers, truth values or text of a fixed length."""

    def __init__(self, code: Any, align: Any = False, copy: Any = True) -> None:
        if not (isinstance(code, str) and _DTYPE.fullmatch(code)):
            raise RefusedPickle(f"The pickle holds an array that is not of numbers or text (type {code!r:.40}).")
        self.dtype: np.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        """state: (version, byte order, sub-array, names, fields, size, alignment, flags); those in the middle None."""
        if not (type(state) is tuple and len(state) == 8 and state[2:5] == (None, None, None)):
            raise RefusedPickle("The pickle holds an array of a compound type.")
        if state[1] not in ("<", ">", "|", "="):
            raise RefusedPickle("The pickle holds an array of an unknown byte order.")
        self.dtype = np.dtype(self.dtype.str[1:]).newbyteorder(state[1])


class _Array:
    """An array that is about to be filled."""

    def __init__(self) -> None:
        self.array = np.zeros(0, np.int8)

    def __setstate__(self, state: Any) -> None:
        """state: (version, shape, type, column-major, bytes)."""
        if not (type(state) is tuple and len(state) == 5):
            raise RefusedPickle("The pickle holds an array of an unknown form.")
        self.array = _filled(state[4], state[2], state[1], "F" if state[3] else "C")


def _filled(content: Any, kind: Any, shape: Any, order: Any) -> np.ndarray:
    whole = isinstance(content, bytes | bytearray) and isinstance(kind, _DType) and order in ("C", "F")
    sizes = shape if type(shape) is tuple and all(type(n) is int and n >= 0 for n in shape) else None
    if not whole or sizes is None or prod(sizes) * kind.dtype.itemsize != len(content):
        raise RefusedPickle("The pickle holds an array whose shape, type and content do not agree.")
    return np.ndarray(sizes, kind.dtype, bytes(content), order=order).copy()


_NDARRAY = object()  # stands for numpy.ndarray: it is handed on, never called


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    if kind is not _NDARRAY or shape != (0,) or code not in (b"b", "b"):
        raise RefusedPickle("The pickle holds an array of an unknown form.")
    return _Array()


def _from_buffer(content: Any, kind: Any, shape: Any, order: Any) -> _Array:
    array = _Array()
    array.array = _filled(content, kind, shape, order)
    return array


def _scalar(kind: Any, content: Any) -> Any:
    """A number or text with numpy's type."""
    return _filled(content, kind, (), "C")[()]


def _encode(text: Any, encoding: Any) -> bytes:
    """How the older protocols write bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise RefusedPickle("The pickle holds bytes of an unknown form.")
    return text.encode("latin1")


_NAMES: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _Function(_encode),
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Function(_DType),
}
for _core in ("numpy.core", "numpy._core"):  # before and since numpy 2
    _NAMES[f"{_core}.multiarray", "_reconstruct"] = _Function(_reconstruct)
    _NAMES[f"{_core}.multiarray", "scalar"] = _Function(_scalar)
    _NAMES[f"{_core}.numeric", "_frombuffer"] = _Function(_from_buffer)
