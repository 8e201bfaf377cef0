"""Which values of a forward pass may depend on the image, and through which weights.

`tape` records the operations of a forward pass, `flow` follows what may vary from one to the next by the
rules in `rules`, and `constant` looks at the outputs of random images. See `cops_core.collapse`.
"""
