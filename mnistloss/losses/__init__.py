"""The losses, and the outputs of a model that they are computed from."""
