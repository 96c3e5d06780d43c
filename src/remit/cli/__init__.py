"""The command line: starts and talks to a Remit."""
