"""One file for each kind of credential that Remit changes at its provider."""
