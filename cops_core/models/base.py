"""The type of every network's first argument."""

# (channels, height, width) of an image.
Shape = tuple[int, int, int]
