"""`mnistloss verify`."""

from __future__ import annotations

from typing import Any

import click

from mnistloss.cli import options, output


@click.command("verify", epilog=options.examples("verify 'SIGNATURE' preds.npy --value 0.2245"))
@click.argument("signature", metavar="SIGNATURE")
@options.predictions()
@click.option("--value", help="Quoted number; the file must give it to the last digit.")
@options.targets
@options.indices
@options.array
@options.format_("table", "json")
@options.cache
@click.pass_context
def command(ctx: click.Context, /, signature: str, predictions: Any, format_: str, **values: Any) -> None:
    """Check a quoted number against a predictions file.

    SIGNATURE is the line printed under the number; put it in quotes. The output lists what differs. The exit status is
    1 if the file does not give the number.
    """
    from mnistloss.analysis.verify import verify

    result = verify(signature, predictions, **values)
    output.show_result("verification", result, format_)
    ctx.exit(0 if result.verified else 1)
