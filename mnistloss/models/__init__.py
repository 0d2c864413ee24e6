"""What learns: baselines, and what learning shows."""
