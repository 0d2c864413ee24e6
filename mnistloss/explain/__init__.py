"""Why and how: each function here computes something that the course explains, and says it in numbers.

A result is frozen, and says itself as JSON (`as_dict`) and as parts of a document (`parts`), as a view does.
"""
