"""From a model file to the board: what it needs there, and proof that it gives the same answers."""
