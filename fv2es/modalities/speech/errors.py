"""What goes wrong with words, said so that a visitor understands it."""


class SpeechError(ValueError):
    """Words cannot be had in the way that was asked for; the message is one sentence for a person, without paths."""
