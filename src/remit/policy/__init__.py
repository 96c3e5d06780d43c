"""The policy decision point: one pure function and the facts it reads."""
