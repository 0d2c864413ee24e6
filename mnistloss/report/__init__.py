"""How results look: pure functions from a result to something that rich prints, to a text, or to a file."""
