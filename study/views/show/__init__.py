"""`cops show`: one trial in full, what is known of it and how that is shown."""
