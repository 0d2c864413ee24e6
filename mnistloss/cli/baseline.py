"""`mnistloss baseline`."""

from __future__ import annotations

from pathlib import Path

import click

from mnistloss.cli import options, output


@click.command("baseline")
@click.argument("name", type=options.OneOf("mnistloss.models.baselines", "BASELINES"))
@click.option(
    "--out", type=options.Destination(".npy"), required=True, help="The .npy file to write the predictions to."
)
@options.dataset
@click.option("--split", type=options.SPLIT, default="test", help="What to predict.")
@click.option("--epochs", type=options.FROM_ONE, default=10, help="softmax: passes over the training split.")
@click.option("--learning-rate", type=options.POSITIVE, default=0.5, help="softmax: size of a step.")
@click.option("--batch-size", type=options.FROM_ONE, default=100, help="softmax: examples in a batch.")
@click.option("--seed", type=options.FROM_ZERO, default=0, help="softmax: order of the examples.")
@click.option(
    "--weights-out", type=options.Destination(".npz"), help="softmax: also save its weights, W (784, 10) and b (10,)."
)
@options.cache_dir
@options.offline
def command(
    name: str,
    out: Path,
    dataset: str,
    split: str,
    epochs: int,
    learning_rate: float,
    batch_size: int,
    seed: int,
    weights_out: Path | None,
    cache_dir: Path | None,
    offline: bool,
) -> None:
    """Write predictions to compare with, and say what they score.

    \b
    uniform   the same probability for every class
    prior     the share of each class in the training split
    centroid  the class whose mean image is nearest
    softmax   a softmax regression, learnt with mini-batches
    """
    from mnistloss.arrays.save import save_array, save_arrays
    from mnistloss.datasets.settings import CacheOptions
    from mnistloss.models.baselines import run
    from mnistloss.models.softmax_regression import Learning, Regression
    from mnistloss.report import tables

    if weights_out and name != "softmax":
        raise click.UsageError(f"{name} has no weights; --weights-out goes with softmax")
    with output.step_progress("learning" if name == "softmax" else "fitting", epochs) as progress:
        learning = Learning(epochs, learning_rate, batch_size, seed, lambda n, loss: progress(n, f"loss {loss:.4f}"))
        result = run(name, dataset, learning, CacheOptions(cache_dir, not offline))
    save_array(out, result.predictions[split])
    if weights_out and isinstance(result.model, Regression):
        save_arrays(weights_out, result.model.arrays())
    output.show(tables.baseline(result))
