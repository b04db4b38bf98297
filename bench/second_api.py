"""A second API process on the same database and storage, as on another machine: `… DATA PORT`, no worker.

`sartor serve` lets one server have a data folder; behind it, processes share the database alone.
"""

import sys
from pathlib import Path

import uvicorn

from sartor import settings
from sartor.app import build, open_backend

if __name__ == "__main__":
    data, port = Path(sys.argv[1]), int(sys.argv[2])
    uvicorn.run(
        build(open_backend(settings.load({"data": data, "quotas": "off"}, {}))),
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        access_log=False,
        log_level="error",
    )
