"""Numbers from records: configurations over their seeds, answers to a question, statistics."""
