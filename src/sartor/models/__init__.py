"""Recommender models: arrays in, arrays out; usable alone, from a notebook."""
