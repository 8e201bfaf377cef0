"""What a person sees while a study runs: a view in a terminal, else plain lines; JSON lines if asked for."""
