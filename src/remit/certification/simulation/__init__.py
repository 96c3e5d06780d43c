"""The engine over a recorded history with a virtual clock: what it would have taken away, given back and refused."""
