"""Single-shot detection in NumPy: boxes, anchors, their codec, suppression, and what detectors put out."""
