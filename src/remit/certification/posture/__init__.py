"""How much privilege stands, how much of it is used, and how it grows."""
