"""`mnistloss verify`."""

from __future__ import annotations

from typing import Any

import click

from mnistloss.cli import options, output


@click.command("verify")
@click.argument("signature", metavar="SIGNATURE")
@options.predictions()
@click.option("--value", help="Number that was quoted with the signature; it must agree to its last digit.")
@options.targets
@options.indices
@options.array
@options.format_("table", "json")
@options.cache
@click.pass_context
def command(ctx: click.Context, /, signature: str, predictions: Any, format_: str, **values: Any) -> None:
    """Check a quoted number against a predictions file.

    SIGNATURE is the line printed under the number, in quotes. Whatever differs is listed; exit status 1 says
    that the file does not give the number.
    """
    from mnistloss.analysis.verify import verify

    result = verify(signature, predictions, **values)
    output.show_result("verification", result, format_)
    ctx.exit(0 if result.verified else 1)
