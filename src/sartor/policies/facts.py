"""What is known of a request when it is decided upon: IAM's request context."""

from collections.abc import Callable, Mapping
from typing import Final

#: The values of a condition key; ``None`` if the request has none.
Values = tuple[str, ...] | None


class Facts:
    """The condition keys of one request; each is found when it is asked for.

    Args:
        keys: by key, in lower case, what finds its values.
        families: the same for keys with a name behind a slash, such as ``aws:requesttag``; it takes the name.
    """

    def __init__(
        self,
        keys: Mapping[str, Callable[[], Values]],
        families: Mapping[str, Callable[[str], Values]] | None = None,
    ) -> None:
        self._keys = keys
        self._families = families or {}

    def get(self, key: str) -> Values:
        """Return the values of a condition key, which is the same in any case; no value is ``None``."""
        family, slash, name = key.partition("/")
        if slash:
            find_by_name = self._families.get(family.lower())
            return (find_by_name(name) or None) if find_by_name is not None else None
        find = self._keys.get(key.lower())
        return (find() or None) if find is not None else None


#: Nothing is known.
NOTHING: Final = Facts({})
