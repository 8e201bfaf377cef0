"""MLflow's server on a cluster's head node: restarted when it dies, its database backed up."""
