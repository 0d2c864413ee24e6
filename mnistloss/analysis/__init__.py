"""Analyses of predictions: views, comparisons, and the check of a quoted number."""
