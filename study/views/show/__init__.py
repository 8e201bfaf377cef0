"""`cops show`: one trial in full detail, as data and as tables."""
