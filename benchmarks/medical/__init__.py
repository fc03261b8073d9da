"""What the radiology archive does well and what not: `python -m benchmarks.medical`."""
