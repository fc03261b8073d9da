"""How version 1 of the built-in model was made: two heads on frozen towers, and label transfer."""
