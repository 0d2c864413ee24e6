"""Results as something to look at or to process: pure functions to a renderable or a string."""
