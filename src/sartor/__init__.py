"""Sartor: Amazon Personalize that runs anywhere."""

__version__ = "0.1.0"
