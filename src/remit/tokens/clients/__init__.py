"""The ways in which a client says who it is, one file each."""
