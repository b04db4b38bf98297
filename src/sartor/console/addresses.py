"""Where the console is."""

from typing import Final

#: Every page of it is below this one.
ROOT: Final = "/console/"
SIGN_IN: Final = f"{ROOT}sign-in"
SIGN_OUT: Final = f"{ROOT}sign-out"
#: Where a one-time link leads.
ENTER: Final = f"{ROOT}enter"
