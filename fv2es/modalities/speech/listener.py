"""The process in which PocketSphinx listens: `python -m fv2es.modalities.speech.listener MEMORY SIZE`, started by
`pocketsphinx` as decoding children are (`fv2es.media.process`).

It takes samples from the shared memory, speaks `fv2es.media.wire`, and ends with its parent.
"""

from __future__ import annotations

import mmap
import os
import sys
from contextlib import suppress

from fv2es.media.wire import Lines, send
from fv2es.modalities.speech.pocketsphinx import listen, load

FAILED, HEARD = "failed", "heard"


def main() -> None:
    memory, size = (int(one) for one in sys.argv[1:])
    speak = os.dup(1)
    os.dup2(2, 1)  # should the recogniser print
    sound = mmap.mmap(memory, size)
    try:
        decoder = load()
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        send(speak, [FAILED, str(error)])
        return
    lines = Lines(0)
    with suppress(BrokenPipeError):  # its parent has ended meanwhile
        send(speak, ["ready"])
        while lines.fill():
            while message := lines.ready():
                send(speak, [HEARD, listen(decoder, sound[: message[1]])])


if __name__ == "__main__":
    main()
