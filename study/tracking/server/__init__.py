"""MLflow's server on a cluster's head: kept running, its database kept in the studies' storage."""
