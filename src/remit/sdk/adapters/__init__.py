"""Guards for agent frameworks, each in a file that needs its framework only. Cooperative, all of them."""
