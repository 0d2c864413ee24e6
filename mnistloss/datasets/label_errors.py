"""The labels of the MNIST test set that are known to be wrong: facts only."""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = (
    "C. G. Northcutt, A. Athalye and J. Mueller (2021), arXiv:2103.14749; repository cleanlab/label-errors (Apache-2.0)"
)
RULE = "fewer than 3 of 5 reviewers chose the given label; 100 examples were reviewed"


@dataclass(frozen=True)
class LabelError:
    """A label that reviewers did not confirm: where, what it is, what an algorithm suggested instead.

    votes: how many reviewers chose the label, the suggestion, or neither (or both).
    """

    index: int
    label: int
    suggestion: int
    votes: tuple[int, int, int]


MNIST_TEST: tuple[LabelError, ...] = (
    LabelError(947, 8, 9, (0, 5, 0)),
    LabelError(1621, 0, 6, (2, 3, 0)),
    LabelError(1901, 9, 4, (2, 3, 0)),
    LabelError(2130, 4, 9, (2, 2, 1)),
    LabelError(2462, 2, 0, (0, 4, 1)),
    LabelError(2597, 5, 3, (0, 4, 1)),
    LabelError(2654, 6, 1, (0, 2, 3)),
    LabelError(3520, 6, 4, (2, 0, 3)),
    LabelError(3558, 5, 0, (1, 4, 0)),
    LabelError(5937, 5, 3, (1, 3, 1)),
    LabelError(6651, 0, 6, (0, 5, 0)),
    LabelError(6783, 1, 6, (2, 3, 0)),
    LabelError(8527, 4, 9, (2, 2, 1)),
    LabelError(9679, 6, 3, (2, 0, 3)),
    LabelError(9729, 5, 6, (2, 3, 0)),
)


def known_errors(dataset: str | None, split: str | None) -> dict[int, LabelError]:
    """The known label errors of a split by index; none where nobody has looked."""
    return {e.index: e for e in MNIST_TEST} if (dataset, split) == ("mnist", "test") else {}
