"""The library: the papers' methods in anybody's training loop. Its names are those of `cops_core` itself."""
