"""`mnistloss gap`."""

from __future__ import annotations

from typing import Any

import click

from mnistloss.cli import options, output


@click.command("gap", epilog=options.examples("gap train.npy test.npy"))
@options.predictions("TRAIN.npy TEST.npy", nargs=2)
@options.losses
@options.dataset
@options.confidence
@options.format_("table", "json")
@options.reading
def command(predictions: list[Any], losses: tuple[str, ...], format_: str, **data: Any) -> None:
    """Measure overfitting: how much worse a model is on the test split.

    TRAIN.npy and TEST.npy hold the predictions of one model for all examples of each split. The generalisation gap is
    the mean loss on the test split minus the mean loss on the training split. Where it is above zero by more than
    chance, the model overfits.
    """
    from mnistloss.analysis.gap import gap
    from mnistloss.losses.losses import check_delta_matters

    check_delta_matters(data["delta"], losses)
    output.show_result("gap", gap(*predictions, losses=losses or None, **data), format_)
