"""From a model file to a board: what it will take there, and what is laid on it."""
