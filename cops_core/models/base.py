"""What every network's builder takes."""

# (channels, height, width) of an image.
Shape = tuple[int, int, int]
