"""`mnistloss losses`."""

from __future__ import annotations

import click

from mnistloss.cli import output


@click.command("losses")
def command() -> None:
    """List the losses with their formulas."""
    from mnistloss.losses.losses import LOSSES
    from mnistloss.report import listings

    output.show(listings.losses(list(LOSSES.values())))
