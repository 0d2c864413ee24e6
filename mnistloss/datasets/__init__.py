"""Datasets: catalog -> cache -> download or import -> verify -> IDX -> arrays."""
