"""Write the parts of a document as Markdown or LaTeX, for a pull request or a paper."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from mnistloss.document import Bars, Heading, Lines, Part, Table
from mnistloss.formatting import shown


def markdown(parts: Sequence[Part]) -> str:
    """Return a document as Markdown, without its charts and pictures."""
    blocks = (block for part in parts for block in _markdown_blocks(part))
    return "\n\n".join(filter(None, blocks))


def _markdown_blocks(part: Part) -> Iterator[str]:
    match part:
        case Heading(text):
            yield f"### {_markdown(text)}"
        case Table(title, columns, rows):
            yield _markdown(_in_one_line(title))
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


def _in_one_line(title: str) -> str:
    return title.replace("\n", ", ")


def _markdown(text: str) -> str:
    """Escape the characters that have a meaning in Markdown."""
    return "".join(f"\\{c}" if c in "\\|`*_<[#&~$" else c for c in shown(text))


def latex(parts: Sequence[Part]) -> str:
    """Return the tables of a document as LaTeX, and its texts as comments; charts and pictures are left out."""
    blocks = [block for part in parts for block in _latex_blocks(part)]
    return "\n".join(["% \\usepackage{booktabs}", *blocks])


def _latex_blocks(part: Part) -> Iterator[str]:
    match part:
        case Table(title, columns, rows):
            yield from ([f"% {shown(_in_one_line(title))}"] if title else [])
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
    "<": r"\textless{}", ">": r"\textgreater{}", "[": "{[}", "*": "{*}", "±": r"$\pm$", "≤": r"$\leq$",
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
