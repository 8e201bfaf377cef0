"""One trained network at a time: tested, replayed, unpacked; components checked."""
