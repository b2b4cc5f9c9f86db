"""`python -m rrjobs`."""

from rrjobs.cli.main import main

main()
