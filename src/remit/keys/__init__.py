"""Key providers, sealing, signing keys, the strict JOSE wrapper and the Secret type."""
