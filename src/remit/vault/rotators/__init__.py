"""What changes a credential at its provider: one file for each kind."""
