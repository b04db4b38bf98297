"""The control plane: what is remembered of every resource, and its life."""
