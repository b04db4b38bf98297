"""Themes of answers to questions about items: what the related items have in common, by their texts.

Source: the guide's "Batch recommendations with themes": items are sorted by how well they fit the theme.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from sartor.models.themes import Themes
from sartor.realtime.version import Version

#: What is rare is known from so many items; more would only take longer.
_MOST_LEARNED: Final = 20_000
_DIGITS: Final = 7


class ThemedItems:
    """The themes of one version's items.

    Args:
        version: what answers.
        columns: whose texts say what an item is.
    """

    def __init__(self, version: Version, columns: Sequence[str]) -> None:
        self._items, self._read = version.items.columns, columns
        rows = np.arange(self._items.n_rows)
        if len(rows) > _MOST_LEARNED:
            rows = np.random.default_rng(0).choice(rows, _MOST_LEARNED, replace=False)
        self._themes = Themes(self._text(int(row)) for row in rows)

    def of(self, rows: Sequence[int]) -> tuple[str, list[int], list[float]]:
        """Return the theme of some items, the items by how well they fit it, and how well each does.

        Args:
            rows: the items, best first; of those that fit alike the better ones stay first.
        """
        theme, fits = self._themes.of([self._text(row) for row in rows])
        order = sorted(range(len(rows)), key=lambda at: -fits[at])
        return theme, [rows[at] for at in order], [round(fits[at], _DIGITS) for at in order]

    def _text(self, row: int) -> str:
        return " . ".join(self._items.texts(row, self._read).values())
