"""`python -m mnistloss`."""

from mnistloss.cli import main

main(prog_name="mnistloss")
