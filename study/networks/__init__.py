"""What is done with one network at a time: evaluate it, replay it, unpack it; and checks of components."""
