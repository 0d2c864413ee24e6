"""Mini-batches and batches."""
