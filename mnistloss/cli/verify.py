"""`mnistloss verify`."""

from __future__ import annotations

from typing import Any

import click

from mnistloss.cli import options, output


@click.command("verify")
@click.argument("signature", metavar="SIGNATURE")
@options.predictions
@click.option("--value", help="The number quoted with it; it must agree to its last digit.")
@click.option("--targets", type=options.FILE, help="Own targets, where the signature is of such.")
@click.option("--indices", type=options.FILE, help="Indices or a saved batch, where the signature is of such.")
@options.format_("table", "json")
@options.cache_dir
@options.offline
@click.pass_context
def command(
    ctx: click.Context, /, signature: str, predictions: str, format_: str, offline: bool, **values: Any
) -> None:
    """Say whether a file gives a number.

    SIGNATURE is the line that stands under the number, in quotes. What differs is listed; exit status 1 says
    that the file does not give the number.
    """
    from mnistloss.analysis.verify import verify

    found = verify(signature, output.source(predictions), download=not offline, **values)
    output.show_result("verification", found, format_)
    ctx.exit(0 if found.verified else 1)
