"""Standard streams of a process that was started without some of them."""

import os
import sys


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
