"""Filters: which items, users or actions may be recommended, as an expression that is checked once and applied often.

``parse`` reads the text, ``check`` holds it against the schemas, ``values`` reads a request's parameters, and
``apply`` evaluates it over whole ``columns``.
"""
