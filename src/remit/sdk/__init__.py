"""For agents and tools; imports nothing of the server."""
