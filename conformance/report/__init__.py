"""Reports: every one a fold over the journal."""
