"""Pure functions on vectors and scores."""
