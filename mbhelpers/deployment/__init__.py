"""From a model file to a board: memory, time, the NPU, and the folder that goes into the project."""
