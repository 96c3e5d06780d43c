"""Usage: what was used, told by Remit's own enforcement and by others, and when that record is complete."""
