"""`cops table`: a paper's table beside ours, each cell with interval, seeds and a verdict."""
