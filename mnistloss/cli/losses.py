"""`mnistloss losses`."""

from __future__ import annotations

import click

from mnistloss.cli import output


@click.command("losses")
def command() -> None:
    """List the losses with their formulas."""
    from mnistloss.report import tables

    output.show(tables.losses())
