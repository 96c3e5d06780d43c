"""The console's pages: each says what it shows. A page asks the API, and knows no service."""
