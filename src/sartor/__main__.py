"""``python -m sartor`` and ``sartor``: the command line."""

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line; Ctrl-C while it is being loaded ends it as it ends any program, without a traceback."""
    at_last = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from sartor.cli import main as run

    signal.signal(signal.SIGINT, at_last)
    run()


if __name__ == "__main__":
    main()
