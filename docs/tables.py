"""Parts of the documents that the program generates: `make tables` for the table of losses, `make docs` for the rest.

The table of losses stands in docs/reference.md itself. The other parts stand on the web pages only, where a page has a
comment such as <!-- commands -->.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

import mnistloss
from mnistloss import LOSSES
from mnistloss.cli import main

REFERENCE = Path(__file__).with_name("reference.md")
SPEED = Path(__file__).parents[1] / "benchmarks" / "README.md"


def losses() -> str:
    """Return the table of losses between its markers."""
    rows = [f"| `{loss.name}` | {loss.formula} | {loss.meaning} |" for loss in LOSSES.values()]
    table = ["| name | loss of one example | meaning |", "|---|---|---|", *rows]
    return "\n".join(["<!-- losses -->", *table, "<!-- /losses -->"])


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the generated parts into a page, as a hook of mkdocs."""
    for name, generate in {"commands": commands, "python": python, "bench": bench}.items():
        if f"<!-- {name} -->" in markdown:
            markdown = markdown.replace(f"<!-- {name} -->", "\n\n".join(generate()))
    return markdown


def commands(command: click.Command = main, parent: click.Context | None = None) -> Iterator[str]:
    """Yield the help of each command, under its name as a heading."""
    context = click.Context(
        command, parent, command.name if parent else "mnistloss", terminal_width=80, **command.context_settings
    )
    if parent:
        yield f"### {context.command_path}\n\n```text\n{command.get_help(context)}\n```"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from commands(inner, context)


def python() -> Iterator[str]:
    """Yield signature and docstring of each public name, under the name as a heading."""
    for name in mnistloss.__all__:
        thing = getattr(mnistloss, name)
        if inspect.isclass(thing):
            yield f"### {name}\n\n```text\n{inspect.getdoc(thing)}\n```"
        elif inspect.isfunction(thing):
            # annotations are texts, of which the signature would show the quotes
            signature = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(thing)))
            yield f"### {name}\n\n```text\n{name}{signature}\n\n{inspect.getdoc(thing)}\n```"


def bench() -> Iterator[str]:
    """Yield the tables of benchmarks/README.md."""
    yield SPEED.read_text("utf-8").split("<!-- bench -->")[1].split("<!-- /bench -->")[0]


if __name__ == "__main__":
    text = REFERENCE.read_text("utf-8")
    REFERENCE.write_text(
        re.sub(r"<!-- losses -->.*<!-- /losses -->", lambda _: losses(), text, flags=re.DOTALL), "utf-8"
    )
