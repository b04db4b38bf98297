"""Backups: everything of one service at one moment, kept elsewhere, and brought back.

A backup is a folder or a bucket with ``manifest.json`` and ``files/``, where each file has its own SHA-256 for a name.
The manifest goes there last, so what it names is there; a backup that was interrupted leaves the one before it whole.
"""
