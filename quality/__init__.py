"""How good the answers are: one file a measure, on public data outside the repository and on planted shops."""
