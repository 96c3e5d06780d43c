"""One file per revision, oldest first; never edited once released."""
