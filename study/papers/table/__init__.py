"""`cops table`: our results compared with a paper's table, cell by cell."""
