"""What a model learns about sounds."""
