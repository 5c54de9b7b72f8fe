"""Where things live on disk: atomic files, locks, the journal."""
