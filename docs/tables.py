"""Write the table of losses in docs/reference.md from the registry: `make tables`."""

import re
from pathlib import Path

from mnistloss import LOSSES

REFERENCE = Path(__file__).with_name("reference.md")


def losses() -> str:
    """Return the table of losses between its markers."""
    rows = [f"| `{loss.name}` | {loss.formula} | {loss.meaning} |" for loss in LOSSES.values()]
    table = ["| name | loss of one example | meaning |", "|---|---|---|", *rows]
    return "\n".join(["<!-- losses -->", *table, "<!-- /losses -->"])


if __name__ == "__main__":
    text = REFERENCE.read_text("utf-8")
    REFERENCE.write_text(
        re.sub(r"<!-- losses -->.*<!-- /losses -->", lambda _: losses(), text, flags=re.DOTALL), "utf-8"
    )
