"""Arrays: checked, read from files and saved."""
