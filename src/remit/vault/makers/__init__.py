"""Makers of credentials for one instance each, one file for each provider."""
