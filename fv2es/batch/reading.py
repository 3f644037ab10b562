"""One process's way from a file to its document; what is heavy is loaded once."""

from __future__ import annotations

from typing import Any

from fv2es.batch.jobs import Job
from fv2es.batch.record import Settings
from fv2es.schema import VOICE


class FileReader:
    """Model, face finder and recogniser, for any number of files, one after the other."""

    def __init__(self, settings: Settings) -> None:
        """Raises CheckpointError or SpeechError where something cannot be had."""
        from fv2es.media import Decoders
        from fv2es.modalities.faces import FaceFinder
        from fv2es.modalities.speech import make_transcriber
        from fv2es.reader import load_reader

        self.settings = settings
        self._reader = load_reader(settings.model)
        self._finder = FaceFinder()
        self._decoders = Decoders()
        self._transcriber, self._notes = make_transcriber(settings.speech, language=settings.language)

    def __call__(self, job: Job) -> dict[str, Any]:
        """The document of docs/json.md, with the same figures as `analyse`. Raises MediaError and what else goes wrong
        with a file."""
        from fv2es.limits import Limits
        from fv2es.pipeline import analyse
        from fv2es.results import Document

        with analyse(
            job.file,
            reader=self._reader,
            text=job.text,
            speech=job.subtitles or self.settings.speech,
            speaker=self.settings.speaker,
            limits=Limits.unlimited(),
            finder=self._finder,
            decoders=self._decoders,
            transcriber=None if job.has_words else self._transcriber,
        ) as analysis:
            document, heard = Document(job.file.name, self.settings.model, self._reader), False
            for reading in analysis:
                heard |= VOICE in reading.utterance.modalities
                document.add(reading)
            notes = self._notes if heard and not job.has_words else []  # where nobody speaks, who listens is no matter
            return document.json(analysis.duration, [*notes, *analysis.notes])
