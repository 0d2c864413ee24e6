"""Evaluations for documents: Markdown and LaTeX, at full precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from mnistloss.document import Table
from mnistloss.errors import shown
from mnistloss.report.details import details, summary
from mnistloss.results import Evaluation


def to_markdown(evaluations: Sequence[Evaluation]) -> str:
    """A table of all evaluations, then the further tables of each, the hints, and the signatures as a list."""
    hints = [
        f"- {_markdown(f'{evaluation.predictions}: {hint}')}" for evaluation in evaluations for hint in evaluation.hints
    ]
    tables = [line for title, table in _tables(evaluations) for line in _markdown_table(title, table)]
    signatures = (f"- {_markdown(name)}`{signature}`" for name, signature in _signatures(evaluations))
    return "\n".join([*tables, *hints, *signatures])


def to_latex(evaluations: Sequence[Evaluation]) -> str:
    """A tabular of all evaluations, then the further ones of each, with hints and signatures as comments."""
    tables = [line for title, table in _tables(evaluations) for line in _latex_table(title, table)]
    hints = [f"% {shown(evaluation.predictions)}: {hint}" for evaluation in evaluations for hint in evaluation.hints]
    signatures = (f"% {shown(name)}{signature}" for name, signature in _signatures(evaluations))
    return "\n".join([*tables, *hints, *signatures])


def _tables(evaluations: Sequence[Evaluation]) -> Iterator[tuple[str, Table]]:
    """Each table under its title, which names the file where there are several."""
    yield "", summary(evaluations)
    for evaluation in evaluations:
        for table in details(evaluation, exact=True):
            yield f"{_name(evaluation, evaluations)}{table.title}".removesuffix(": "), table


def _signatures(evaluations: Sequence[Evaluation]) -> Iterator[tuple[str, str]]:
    """Each signature behind the name of the file, where there are several."""
    for evaluation in evaluations:
        name = _name(evaluation, evaluations)
        yield from ((name, str(number.signature)) for number in evaluation.losses.values())
        yield from ((name, str(share.signature)) for share in evaluation.shares().values())


def _name(evaluation: Evaluation, evaluations: Sequence[Evaluation]) -> str:
    return f"{evaluation.predictions}: " if len(evaluations) > 1 else ""


def _markdown_table(title: str, table: Table) -> Iterator[str]:
    if title:
        yield from (_markdown(title), "")
    yield f"| {' | '.join(heading.removeprefix('>') for heading in table.columns)} |"
    yield f"|{'|'.join('---:' if heading.startswith('>') else '---' for heading in table.columns)}|"
    yield from (f"| {' | '.join(map(_markdown, row))} |" for row in table.rows)
    yield ""


def _latex_table(title: str, table: Table) -> Iterator[str]:
    if title:
        yield from (rf"\par {_latex(title)}", "")
    yield rf"\begin{{tabular}}{{{''.join('r' if heading.startswith('>') else 'l' for heading in table.columns)}}}"
    yield rf"{' & '.join(_latex(heading.removeprefix('>')) for heading in table.columns)} \\ \hline"
    yield from (rf"{' & '.join(map(_latex, row))} \\" for row in table.rows)
    yield r"\end{tabular}"


def _markdown(text: str) -> str:
    return _escaped(shown(text), "\\|`*_<[")


def _latex(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in shown(text))


def _escaped(text: str, special: str) -> str:
    return "".join(f"\\{c}" if c in special else c for c in text)


_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    c: f"\\text{name}{{}}"
    for c, name in {
        "\\": "backslash", "~": "asciitilde", "^": "asciicircum", "|": "bar", "<": "less", ">": "greater"
    }.items()
} | {"[": "{[}"}  # fmt: skip
"""What LaTeX would take for more than itself; after a line end, a bracket too."""

FORMATS: Mapping[str, Callable[[Sequence[Evaluation]], str]] = {"markdown": to_markdown, "latex": to_latex}
