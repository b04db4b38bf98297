"""Opens the database and the storage that the settings name, for whichever process wants them."""

import shutil
from pathlib import Path
from typing import Final

from sartor.data.blobs import open_storage
from sartor.data.copies import Cache
from sartor.resources.records import Means
from sartor.resources.store import Store
from sartor.settings import Settings

#: With less room on its disk a data folder counts as full.
LEAST_FREE_BYTES: Final = 2**24


def open_means(settings: Settings, scratch: Path) -> Means:
    """Return what reaches records and artifacts.

    Args:
        settings: of this process.
        scratch: a local folder for what need not survive.

    Raises:
        ValueError: a setting names something that cannot be opened.
        OSError: the database cannot be reached.
    """
    store = open_store(settings)
    cache = Cache(settings.cache, settings.cache_bytes)
    storage = open_storage(settings.storage, settings.s3_endpoint, scratch, cache)
    return Means(store, storage, scratch, settings.memory_bytes)


def open_store(settings: Settings, keep_copy: bool = True) -> Store:
    """Return the metadata database; whatever a driver raises becomes one line without the password.

    Args:
        settings: name it.
        keep_copy: as ``Store.open`` has it.

    Raises:
        ValueError: the setting names none.
        OSError: it cannot be opened.
    """
    url = settings.database
    try:
        return Store.open(url, keep_copy)
    except ValueError:
        raise
    except Exception as error:
        reason = str(error).partition("\n")[0]
        if settings.data.exists() and shutil.disk_usage(settings.data).free < LEAST_FREE_BYTES:
            reason += f". The disk of {settings.data} is full: make room."
        raise OSError(f"The database {url.rpartition('@')[2]} cannot be opened: {reason}") from error
