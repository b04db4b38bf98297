"""How good the answers are: one file a measure, on public data that stays outside the repository."""
