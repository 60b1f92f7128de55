"""Metrics as pure NumPy functions of per-sample arrays; one module an idea."""
