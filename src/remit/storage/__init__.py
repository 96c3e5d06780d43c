"""The database, its migrations, the writer (group commit) and the feed."""
