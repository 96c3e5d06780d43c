"""The OAuth 2.1 token service and the check of presented tokens."""
