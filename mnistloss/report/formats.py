"""Write results as JSON, CSV or flat scores, in full precision, or for people as Markdown or LaTeX."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mnistloss.document import Bars, Heading, Lines, Part, Table
from mnistloss.evaluation.results import Evaluation, Refused
from mnistloss.formatting import finite, shown
from mnistloss.report.details import paper


def document(**content: Any) -> str:
    """Return one JSON object, {"schema": 1, ...}; NaN or infinity in the content raises ValueError.

    Bytes of a file name that are not UTF-8 become escapes; Python's json.loads turns the escapes into bytes again.
    """
    return _json({"schema": 1, **content})


def _json(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()


def to_json(evaluations: Sequence[Evaluation], refused: Sequence[Refused] = ()) -> str:
    """Return {"schema": 1, "evaluations": [...], "refused": [...]}; infinity and NaN are null, with a count."""
    return document(
        evaluations=[evaluation.as_dict() for evaluation in evaluations], refused=[one.as_dict() for one in refused]
    )


def to_csv(evaluations: Sequence[Evaluation], refused: Sequence[Refused] = ()) -> str:
    """Return a row for each file: name, status, reason, the numbers by the names of gates, hints, signature."""
    return rows_csv([*(one.row() for one in evaluations), *(one.row() for one in refused)])


def to_scores(evaluations: Sequence[Evaluation], refused: Sequence[Refused] = ()) -> str:
    """Return the finite numbers of a file as one flat JSON object; of several files, one such object by each name."""
    scores = {
        result.predictions: {name: number for name, number in finite(result.reported()).items() if number is not None}
        for result in evaluations
    }
    several = len(evaluations) + len(refused) > 1
    return _json(scores if several else next(iter(scores.values()), {}))


def rows_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a CSV with a column for each name in any of the rows; a value that a row lacks becomes an empty field.

    A carriage return in a field is quoted, because csv writes with a line end of its own.
    """
    import csv
    import io

    header = list(dict.fromkeys(name for row in rows for name in row))
    lines = []
    for fields in (header, *([finite(row.get(name)) for name in header] for row in rows)):
        text = io.StringIO()
        csv.writer(text).writerow(map(_without_formula, fields))
        lines.append(text.getvalue().removesuffix("\r\n"))
    return "\n".join(lines)


def _without_formula(field: Any) -> Any:
    """Put an apostrophe before a text that a spreadsheet would take for a formula."""
    return f"'{field}" if isinstance(field, str) and field.startswith(("=", "+", "-", "@", "\t", "\r")) else field


def to_markdown(evaluations: Sequence[Evaluation], refused: Sequence[Refused] = ()) -> str:
    """Return a row for each file, then classes, batches, hints and refusals; the signatures are folded away."""
    return markdown(paper(evaluations, refused))


def to_latex(evaluations: Sequence[Evaluation], refused: Sequence[Refused] = ()) -> str:
    """Return a row for each file, then classes and batches; hints, refusals and signatures are comments."""
    return latex(paper(evaluations, refused))


def markdown(parts: Sequence[Part]) -> str:
    """Return a document as Markdown, without its charts and pictures."""
    blocks = (block for part in parts for block in _markdown_blocks(part))
    return "\n\n".join(filter(None, blocks))


def _markdown_blocks(part: Part) -> Iterator[str]:
    match part:
        case Heading(text):
            yield f"### {_markdown(text)}"
        case Table(title, columns, rows):
            yield _markdown(title)
            heads = (_markdown(heading.removeprefix(">")) for heading in columns)
            rules = ("---:" if heading.startswith(">") else "---" for heading in columns)
            lines = [f"| {' | '.join(heads)} |", f"|{'|'.join(rules)}|"]
            for row, cells in enumerate(rows):
                texts = (f"**{_markdown(t)}**" if (row, c) in part.best else _markdown(t) for c, t in enumerate(cells))
                lines.append(f"| {' | '.join(texts)} |")
            yield "\n".join(lines)
        case Lines(lines, fold=""):
            yield from map(_markdown, lines)
        case Lines(lines, fold):
            pairs = (line.rpartition(": ") for line in lines)
            items = "\n".join(f"- {_markdown(name)}: `{signature}`" for name, _, signature in pairs)
            yield f"<details>\n<summary>{fold}</summary>\n\n{items}\n\n</details>"
        case Bars(title, labels, _, notes):
            yield from _markdown_blocks(Table(title, ("", ""), tuple(zip(labels, notes, strict=True))))


def _markdown(text: str) -> str:
    """Escape the characters that have a meaning in Markdown."""
    return "".join(f"\\{c}" if c in "\\|`*_<[" else c for c in shown(text))


def latex(parts: Sequence[Part]) -> str:
    """Return the tables of a document as LaTeX, and its texts as comments; charts and pictures are left out."""
    blocks = [block for part in parts for block in _latex_blocks(part)]
    return "\n".join(["% \\usepackage{booktabs}", *blocks])


def _latex_blocks(part: Part) -> Iterator[str]:
    match part:
        case Table(title, columns, rows):
            yield from ([f"% {shown(title)}"] if title else [])
            yield rf"\begin{{tabular}}{{{''.join('r' if heading.startswith('>') else 'l' for heading in columns)}}}"
            heads = " & ".join(_latex(heading.removeprefix(">")) for heading in columns)
            yield from (r"\toprule", rf"{heads} \\", r"\midrule")
            for row, cells in enumerate(rows):
                texts = (_latex(cell, number=columns[c].startswith(">")) for c, cell in enumerate(cells))
                bold = (rf"\textbf{{{text}}}" if (row, c) in part.best else text for c, text in enumerate(texts))
                yield rf"{' & '.join(bold)} \\"
            yield from (r"\bottomrule", r"\end{tabular}", "")
        case Lines(lines):
            yield from (f"% {shown(line)}" for line in lines)


_LATEX = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "|": r"\textbar{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "[": "{[}", "±": r"$\pm$", "≤": r"$\leq$",
})  # fmt: skip
"""Escapes of characters that have a meaning in LaTeX; a bracket after the end of a row would be an option."""


def _latex(text: str, *, number: bool = False) -> str:
    """Escape the characters that have a meaning in LaTeX; of a number, set the sign and the power of ten as such."""
    text = shown(text).translate(_LATEX)
    return re.sub(r"([+-]?)(\d[\d.,]*)(?:e([+-]\d+))?", _latex_number, text) if number else text


def _latex_number(match: re.Match[str]) -> str:
    sign, digits, power = match.groups("")
    exponent = rf" \times 10^{{{int(power)}}}" if power else ""
    return f"${sign}{digits}{exponent}$" if sign or power else digits


MARKUP: Mapping[str, Callable[[Sequence[Part]], str]] = {"markdown": markdown, "latex": latex}
"""The functions that write the parts of a document, by the names of --format."""

FORMATS: Mapping[str, Callable[[Sequence[Evaluation], Sequence[Refused]], str]]
FORMATS = {"json": to_json, "csv": to_csv, "scores": to_scores, "markdown": to_markdown, "latex": to_latex}
"""The functions that write evaluations and refusals, by the names of --format."""
