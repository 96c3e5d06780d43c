"""What Remit itself notices about agents, and raises as signals."""
