"""Predictions to an Evaluation."""
