"""The losses, and the model outputs from which losses are computed."""
