"""`mnistloss verify`."""

from __future__ import annotations

from typing import Any

import click

from mnistloss.cli import options, output


@click.command("verify")
@click.argument("signature", metavar="SIGNATURE")
@options.predictions
@click.option("--value", help="Number that was quoted with the signature; it must agree to its last digit.")
@click.option("--targets", type=options.FILE, help="Targets of your own, where the signature is of such.")
@click.option(
    "--indices", type=options.FILE, help="Indices or a saved batch, where the signature is of chosen examples."
)
@options.format_("table", "json")
@options.cache_dir
@options.offline
@click.pass_context
def command(
    ctx: click.Context, /, signature: str, predictions: str, format_: str, offline: bool, **values: Any
) -> None:
    """Check a quoted number against a predictions file.

    SIGNATURE is the line printed under the number, in quotes. Whatever differs is listed; exit status 1 says
    that the file does not give the number.
    """
    from mnistloss.analysis.verify import verify

    result = verify(signature, output.source(predictions), download=not offline, **values)
    output.show_result("verification", result, format_)
    ctx.exit(0 if result.verified else 1)
