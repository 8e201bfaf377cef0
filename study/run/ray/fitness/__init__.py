"""Is a machine fit to run trials? Asked of every node before a study, and by each worker before a trial."""
