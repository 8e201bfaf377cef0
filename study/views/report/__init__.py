"""`cops report`: a study as one page, with its figures and tables."""
