"""turnwise: environments for language agents that act over many turns, and algorithms that train them."""
