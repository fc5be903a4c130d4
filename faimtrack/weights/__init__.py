"""Files of weights: what is in them, where they come from, and the cache that holds them."""
