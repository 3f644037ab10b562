"""The sound of utterances, as files of the page's cache that a browser fetches when somebody wants to hear one.

They lie where uploads lie, under names that nobody can guess, and are deleted with them.
"""

from __future__ import annotations

import io
import logging
import secrets
import wave
from pathlib import Path
from urllib.parse import quote

import numpy as np
from gradio.utils import get_upload_folder

from fv2es.schema import SAMPLE_RATE, Reading

ADDRESS = "gradio_api/file="  # below the page; Gradio serves its cache there, part by part where a player asks for that

logger = logging.getLogger(__name__)


class Sounds:
    """Threads may share it. files: all that were written, for Gradio to delete in time (`Blocks.temp_file_sets`)."""

    def __init__(self) -> None:
        self.files: set[str] = set()

    def address(self, reading: Reading, place: str) -> str:
        """Where the browser finds the sound of a reading; "" where it is not known or cannot be kept.

        place: a secret of the run's, the same for all its utterances.
        """
        if not len(reading.utterance.waveform):
            return ""
        path = Path(get_upload_folder()) / place / f"utterance-{reading.index + 1}.wav"
        try:
            if not path.is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(wav(reading.utterance.waveform))
                self.files.add(str(path))
        except OSError as error:
            logger.warning("The sound of an utterance could not be kept (%s).", type(error).__name__)
            return ""
        return ADDRESS + quote(str(path))


def secret() -> str:
    """A name for a run's folder."""
    return secrets.token_hex(20)


def wav(waveform: np.ndarray) -> bytes:
    """(n,) float32 in [-1, 1] at 16 kHz → a WAV file of 16 bits, which every browser plays."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.clip(waveform, -1, 1) * 32767).round().astype("<i2").tobytes())
    return stream.getvalue()
