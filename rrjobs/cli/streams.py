"""Standard streams of a server: some may be closed at its start, and who reads them may go or stand still."""

import os
import select
import sys
from contextlib import suppress
from typing import TextIO

import click

READER_S = 0.5
"""How long a line waits for a reader that stands still."""


def hold_standard_streams() -> None:
    """Put /dev/null where standard input, output or error are closed.

    Else a connection could get the number 2, and become what workers print to; and Python has None for the stream.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, "w" if descriptor else "r", closefd=False))


def say(text: str, *, err: bool = False) -> None:
    """A line of at most a page to whoever reads. Nobody's absence may keep the server from its work, least of all from
    its end: Ctrl-C ends `rrjobs run | tee log` together, and jobs must be given back all the same.
    """
    stream = sys.stderr if err else sys.stdout
    if not _takes_a_page(stream):
        return
    try:
        click.echo(text, err=err)
    except OSError:
        _lead_nowhere(stream)


def _takes_a_page(stream: TextIO) -> bool:
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return True  # it is no file
    return bool(select.select((), (descriptor,), (), READER_S)[1])


def _lead_nowhere(stream: TextIO) -> None:
    """What Python has not got rid of yet would be an error again when the process ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
