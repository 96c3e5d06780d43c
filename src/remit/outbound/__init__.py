"""The only way out: SSRF-safe resolving, dialling and fetching."""
