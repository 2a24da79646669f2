"""The folder for a board: the model, its C source, labels, a script that runs it alone, vectors that prove it."""
