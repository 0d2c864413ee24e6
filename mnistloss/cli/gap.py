"""`mnistloss gap`."""

from __future__ import annotations

from typing import Any

import click

from mnistloss.cli import options, output


@click.command("gap")
@click.argument("train", type=click.Path(path_type=str), metavar="TRAIN.npy")
@click.argument("test", type=click.Path(path_type=str), metavar="TEST.npy")
@options.losses
@options.dataset
@options.input_
@options.delta
@options.allow_unnormalized
@options.confidence
@options.format_("table", "json")
@options.cache_dir
@options.offline
def command(train: str, test: str, losses: tuple[str, ...], format_: str, offline: bool, **values: Any) -> None:
    """Measure overfitting: how much worse a model is on the test split.

    TRAIN.npy and TEST.npy hold the predictions of the same model for all examples of each split. The generalisation
    gap is its mean loss on the test split minus that on the training split.
    """
    from mnistloss.analysis.gap import gap
    from mnistloss.losses.losses import check_delta_matters

    if train == test == "-":
        raise click.UsageError("standard input can be read once")
    check_delta_matters(values["delta"], losses)
    result = gap(output.source(train), output.source(test), losses=losses or None, download=not offline, **values)
    output.show_result("gap", result, format_)
