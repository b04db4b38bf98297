"""The console: pages of HTML under ``/console/`` that ask as everybody does, and show what they asked."""
