"""A worker whose jobs come in many small pieces: `… WORKER_OPTION…`; nothing in the product knows of this."""

import sys

from sartor.cli import main
from sartor.data import check, export, rewriting

#: Of a job of some thousand rows.
PIECE_BYTES = 2**13

if __name__ == "__main__":
    for module in (check, export, rewriting):
        module.PIECE_BYTES = PIECE_BYTES  # type: ignore[attr-defined]
    sys.argv[1:1] = ["worker"]
    main()
