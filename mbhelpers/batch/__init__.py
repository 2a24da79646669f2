"""Many rows at once: a grid names them, its jobs are notebooks in an order, an engine runs these, a table gathers them.

What is done is read from the files that lie there and from nothing else, so a batch may be killed at any moment.
"""
