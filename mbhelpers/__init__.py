"""From dataset to a quantized MobileNet with numbers one can trust.

The rooms, in the order in which a model walks through them: `rows` names a row of a model card and `runs`
its folder; `data` finds, checks, splits and feeds images; `models` builds MobileNets and finds their weights;
`training` holds recipes and the fit loop; `quantization` makes int8 and ONNX files; `inference` predicts with any of
them behind one call; `detection` is boxes, anchors and suppression in NumPy; `evaluation` counts, with intervals;
`deployment` takes a file to a board; `reporting` draws; `stages` joins these, one function a stage, and `cli` and the
notebooks call nothing else to run a row.
"""

__version__ = "0.1.0"
