"""Scores, COPS and FreezeNet as trainable components: a trial that runs in a plain Python shell."""
