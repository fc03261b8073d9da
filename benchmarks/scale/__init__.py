"""How the stores do as a gallery grows: `python -m benchmarks.scale`."""
