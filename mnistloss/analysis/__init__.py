"""What predictions can be asked: views, comparisons, checks."""
