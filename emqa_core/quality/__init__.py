"""Quality metrics: the numbers of a frame or an object that may explain a model's failures."""
