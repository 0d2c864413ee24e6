"""`mnistloss gap`."""

from __future__ import annotations

from typing import Any

import click

from mnistloss.cli import options, output


@click.command("gap")
@click.argument("train", type=click.Path(path_type=str), metavar="TRAIN.npy")
@click.argument("test", type=click.Path(path_type=str), metavar="TEST.npy")
@click.option(
    "--loss", "losses", multiple=True, type=options.LOSS, help="Which loss; repeatable.  [default: cee and mse]"
)
@options.dataset
@click.option("--input", type=options.INPUT, default="probs", help="What they are.")
@click.option("--delta", type=float, help="Added inside the log of cee.  [default: 1e-7 for probs, else 0]")
@click.option("--allow-unnormalized", is_flag=True, help="Take rows that do not sum to 1 as they are.")
@options.confidence
@options.format_("table", "json")
@options.cache_dir
@options.offline
def command(train: str, test: str, losses: tuple[str, ...], format_: str, offline: bool, **values: Any) -> None:
    """Say how much worse a model is on the test split.

    TRAIN.npy and TEST.npy hold what the same model says of all examples of each split. The generalisation gap is
    its mean loss on the test split less that on the training split.
    """
    from mnistloss.analysis.gap import gap
    from mnistloss.losses.losses import check_delta_matters

    if train == test == "-":
        raise click.UsageError("standard input can be read once")
    check_delta_matters(values["delta"], losses)
    found = gap(output.source(train), output.source(test), losses=losses or None, download=not offline, **values)
    output.show_result("gap", found, format_)
