"""`mnistloss losses`."""

from __future__ import annotations

import click

from mnistloss.cli import options, output


@click.command("losses", epilog=options.examples("losses", "losses --format json"))
@options.format_("table", "json")
def command(format_: str) -> None:
    """List the losses with their formulas."""
    from mnistloss.losses.losses import LOSSES

    if format_ == "json":
        from mnistloss.report import formats

        output.write(formats.document(losses=[loss.as_dict() for loss in LOSSES.values()]))
    else:
        from mnistloss.report import listings

        output.show(listings.losses(list(LOSSES.values())))
