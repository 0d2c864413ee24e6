"""Mini-batches and batches: index arithmetic, and batches of a split."""
