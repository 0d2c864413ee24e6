"""`python -m mnistloss`."""

from mnistloss.cli import run

run()
