"""The display of a running study: a live view in a terminal, plain lines elsewhere, JSON lines on request."""
