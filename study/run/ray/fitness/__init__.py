"""Is a machine fit to run trials? Every node is checked before a study, and by each worker before a trial."""
