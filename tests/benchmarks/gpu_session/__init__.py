"""The parts of a session on a GPU, one file each, and what runs them: see `../gpu.py`."""
