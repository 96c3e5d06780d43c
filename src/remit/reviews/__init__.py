"""Reviews: what only a person can decide, asked with what is known, and what becomes of the answer."""
