"""What `make bench` measures: one file a measure, all of them side by side in one run."""
