"""Every example of checked predictions at once, for views that look at them one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistloss.arrays import Array, Floats
from mnistloss.datasets.access import ACCESS, Access
from mnistloss.datasets.load import load_split
from mnistloss.document import Lines, Part, Pictures
from mnistloss.errors import InputError, UnavailableError, shown
from mnistloss.evaluation import default_losses
from mnistloss.findings import Findings, Wanted
from mnistloss.hints import Hint
from mnistloss.losses import LOSSES, block_targets
from mnistloss.outputs import OUTPUTS
from mnistloss.predictions import check_probabilities
from mnistloss.scoring import Digest, Predictions, Selection, open_scoring
from mnistloss.signature import Signature
from mnistloss.tally import Tally


@dataclass(frozen=True)
class Examples:
    """N checked predictions in memory, with their targets.

    t: labels (N,), or soft rows (N, K). outputs: see `losses.Outputs`, of all examples as one block, (K, N).
    signed: the signature of all losses; see `signature`.
    indices: which examples of the split these are; None for all of them in order, and for own targets.
    hints: what looks like a mistake, as `evaluate` finds it.
    """

    name: str
    dataset: str | None
    split: str | None
    classes: int
    input: str
    delta: float
    t: Array = field(repr=False)
    outputs: Any = field(repr=False)
    signed: Signature
    indices: Array | None = field(default=None, repr=False)
    access: Access = field(default=ACCESS, repr=False)
    hints: tuple[Hint, ...] = ()

    @property
    def n(self) -> int:
        """N."""
        return len(self.t)

    def losses(self, name: str, delta: float | None = None) -> Floats:
        """The per-example losses (N,) of that name, with another delta if one is given.

        Predicted classes have the loss "error" only; others raise InputError.
        """
        if LOSSES[name].needs_probabilities:
            check_probabilities(shown(self.name), self.input, self.n, name)
        targets = block_targets(self.t, slice(0, self.n))
        return LOSSES[name](self.outputs, targets, self.delta if delta is None else delta)

    def signature(self, name: str) -> Signature:
        """What the loss of that name depends on."""
        return self.signed.of(name, uses_delta=LOSSES[name].uses_delta)

    @property
    def unnormalized(self) -> bool:
        """Whether some row of probabilities does not sum to 1, as far as rounding allows."""
        if not self.signed.unnormalized:
            return False
        return bool(np.abs(self.probabilities().sum(axis=0) - 1).max() > 1e-3)

    @property
    def predicted(self) -> NDArray[np.intp]:
        """The predicted classes (N,)."""
        classes: NDArray[np.intp] = self.outputs.predicted
        return classes

    @property
    def labels(self) -> NDArray[np.intp]:
        """The labels (N,); soft targets have none and raise InputError."""
        if self.t.ndim != 1:
            raise InputError(f"{shown(self.name)}: the targets are soft rows; this needs a label for each example")
        return self.t

    def probabilities(self) -> Floats:
        """Probabilities (K, N); predicted classes have none and raise InputError."""
        check_probabilities(shown(self.name), self.input, self.n, "this")
        p: Floats = self.outputs.p
        return p

    def positions(self) -> NDArray[np.intp]:
        """The index in the split of each example."""
        return np.arange(self.n) if self.indices is None else self.indices.astype(np.intp)

    def images(self, rows: Array) -> NDArray[np.uint8] | None:
        """The images of some examples, (len(rows), 28, 28); None for the user's own targets."""
        if self.dataset is None or self.split is None:
            return None
        images: NDArray[np.uint8] = load_split(self.dataset, self.split, self.access).images[self.positions()[rows]]
        return images

    def pictures(self, rows: Array, captions: tuple[str, ...]) -> list[Part]:
        """The images of some examples under their captions; where these are not to be had, a line that says so."""
        labels = self.t[rows] if self.t.ndim == 1 else ["by a soft row"] * len(rows)
        named = zip(self.positions()[rows], labels, self.predicted[rows], strict=True)
        alts = tuple(f"example {index}, labelled {label}, predicted {predicted}" for index, label, predicted in named)
        try:
            images = self.images(rows)
        except UnavailableError as error:
            return [Lines((f"No pictures: {error}",))]
        return [] if images is None else [Pictures(images, captions, alts)]


def load_examples(predictions: Predictions, selection: Selection) -> Examples:
    """Check predictions as `evaluate` does, and keep all of them."""
    with open_scoring(predictions, selection) as scoring:
        layout, targets = scoring.layout, scoring.targets
        losses = [LOSSES[name] for name in default_losses(layout.input)]
        digest, tally, parts = Digest(), Tally(scoring, losses), []
        for blocks in scoring.run(list, digest):
            tally.add(blocks)
            parts += [block.outputs for block in blocks]
        return Examples(
            name=scoring.name,
            dataset=targets.dataset,
            split=targets.split,
            classes=targets.classes,
            input=layout.input,
            delta=scoring.delta,
            t=targets.t.astype(np.intp) if targets.t.ndim == 1 else targets.t,
            outputs=_joined(layout.input, parts),
            signed=scoring.signature(tuple(LOSSES.values()), digest),
            indices=targets.chosen,
            access=selection.access,
            hints=Findings(scoring, Wanted(), losses, tally).hints(selection.access),
        )


def _joined(input: str, blocks: list[Any]) -> Any:
    """The outputs of all blocks as one."""
    values = [block.predicted if input == "labels" else block.scores for block in blocks]
    return OUTPUTS[input](np.concatenate(values, axis=-1))
