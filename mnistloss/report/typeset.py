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
        f"- {_markdown(f'{evaluation.predictions}: {hint.evidence}: {hint.advice}')}"
        for evaluation in evaluations
        for hint in evaluation.hints
    ]
    tables = [line for title, table in _tables(evaluations) for line in _markdown_table(title, table)]
    return "\n".join([*tables, *hints, *(f"- `{signature}`" for signature in _signatures(evaluations))])


def to_latex(evaluations: Sequence[Evaluation]) -> str:
    """A tabular of all evaluations, then the further ones of each, with hints and signatures as comments."""
    tables = [line for title, table in _tables(evaluations) for line in _latex_table(title, table)]
    hints = [f"% {shown(hint.evidence)}: {hint.advice}" for evaluation in evaluations for hint in evaluation.hints]
    return "\n".join([*tables, *hints, *(f"% {signature}" for signature in _signatures(evaluations))])


def _tables(evaluations: Sequence[Evaluation]) -> Iterator[tuple[str, Table]]:
    """Each table under its title, which names the file where there are several."""
    yield "", summary(evaluations)
    for evaluation in evaluations:
        name = f"{evaluation.predictions}: " if len(evaluations) > 1 else ""
        for table in details(evaluation, exact=True):
            yield f"{name}{table.title}".removesuffix(": "), table


def _signatures(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    return (str(loss.signature) for evaluation in evaluations for loss in evaluation.losses.values())


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
    return _escaped(shown(text).replace("\\", r"\\"), "|")


def _latex(text: str) -> str:
    pieces = (_escaped(piece, "&%$#_{}") for piece in shown(text).split("\\"))
    return r"\textbackslash{}".join(pieces).replace("~", r"\textasciitilde{}").replace("^", r"\textasciicircum{}")


def _escaped(text: str, special: str) -> str:
    return "".join(f"\\{c}" if c in special else c for c in text)


FORMATS: Mapping[str, Callable[[Sequence[Evaluation]], str]] = {"markdown": to_markdown, "latex": to_latex}
