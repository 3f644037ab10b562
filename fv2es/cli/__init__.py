"""`python -m fv2es …`: parse → call → print. Heavy imports wait until a command runs."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Sequence

from fv2es.cli import analyse, batch, compare, deploy, evaluate, models, publish, train
from fv2es.cli.output import CommandError

logger = logging.getLogger(__name__)

COMMANDS = (analyse, batch, models, evaluate, compare, train, publish, deploy)
OK, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; each command's module adds its own part."""
    parser = argparse.ArgumentParser(
        prog="python -m fv2es",
        description="Expressed emotion in video, utterance by utterance, from face, voice and words.",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="say on standard error what happens, in detail")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_to(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Status: 0 done, 1 an error of ours, 2 a clear sentence about the input, 130 interrupted."""
    parser = build_parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and options.run is not train.run:
        parser.error(f"unrecognised arguments: {' '.join(rest)}")
    options.rest = rest
    if options.run is not train.run:  # which keeps a log of its own
        level = logging.DEBUG if options.verbose else logging.ERROR
        logging.basicConfig(level=level, format="%(name)s: %(message)s")
        if not options.verbose:
            warnings.simplefilter("ignore")  # other packages' advice to programmers
    try:
        return options.run(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader went away (`… | head`): nothing more to say, and nothing to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (CommandError, ValueError, OSError) as error:
        return _complain(_sentence(error), WRONG)
    except Exception as error:
        return _complain(f"Something went wrong inside ({type(error).__name__}); --verbose tells more.", FAILED)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}."
    return " ".join(str(error).split()) or type(error).__name__


def _complain(sentence: str, status: int) -> int:
    logger.debug("The traceback:", exc_info=True)
    print(sentence, file=sys.stderr)
    return status
