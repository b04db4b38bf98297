"""What users have interacted with by now, as filters see it: imports that came after the training too.

Source: the guide's "Filtering recommendations and user segments": imports are taken up within 20 minutes, here within
seconds.
"""

from collections.abc import Callable
from typing import Final

from sartor.data.dataset import DatasetRecords
from sartor.realtime import seen_lists
from sartor.realtime.seen import Seen
from sartor.realtime.watch import Watch, imported

#: How often the dataset's table is looked at for imports, in seconds.
LOOK_SECONDS: Final = 5.0


class SeenNow:
    """What is there now; safe to share between threads.

    Args:
        seen: what was there at the training.
        find_records: gives the interactions' records as they are now; ``None`` if their dataset is gone.

    Attributes:
        seen: whole, of one moment.
    """

    def __init__(self, seen: Seen, find_records: Callable[[], DatasetRecords | None]) -> None:
        self.seen = seen
        self._watch = Watch(LOOK_SECONDS, find_records, imported, self._take_up, self.seen.bulk_version)

    @property
    def changes(self) -> int:
        """What is another number once other interactions are seen."""
        return self.seen.bulk_version

    def look(self) -> None:
        """Take up the lists of the newest imports."""
        self._watch.look()

    def _take_up(self, records: DatasetRecords, version: int) -> None:
        self.seen = seen_lists.read(records, version)
