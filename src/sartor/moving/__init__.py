"""Moving in and out: resources as a file that declares them, and whole accounts."""
