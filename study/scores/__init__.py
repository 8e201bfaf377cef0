"""`cops scores`: how scores differ on one network and data set, without any training."""
