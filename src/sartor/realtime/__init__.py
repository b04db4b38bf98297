"""What answers at once: records that calls put in, and later recommendations."""
