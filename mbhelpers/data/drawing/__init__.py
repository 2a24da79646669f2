"""How the drawn data is painted (NumPy and Pillow only): brush, scene, and two tasks, flowers and shapes."""
