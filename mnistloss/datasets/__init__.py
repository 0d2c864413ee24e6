"""The data layer: catalog -> cache -> download or import -> verify -> IDX -> arrays."""
