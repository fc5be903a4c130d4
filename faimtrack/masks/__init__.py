"""Instance masks: how they are stored and where they come from."""
