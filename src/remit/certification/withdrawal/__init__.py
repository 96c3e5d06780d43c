"""Taking access away everywhere, in one order, until it is seen to be gone."""
