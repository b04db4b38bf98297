"""Where work runs that comes in pieces: here, in processes of this machine, or on the machines of a Ray cluster.

``contract`` says what each executor promises, and one suite of tests holds all of them to it. Nothing here remembers
what must be done: that is the metadata database's. A piece may run more than once, so its work changes nothing that
running it again would change.
"""

from sartor.compute.contract import Compute
from sartor.compute.here import Here
from sartor.compute.on_ray import OnRay
from sartor.compute.processes import Processes


def open_compute(text: str) -> Compute:
    """Return the executor that a setting names; nothing is started or reached yet.

    Args:
        text: ``here``, ``processes:N`` or ``ray:HOST:PORT``.

    Raises:
        ValueError: it names none.
    """
    kind, _, rest = text.partition(":")
    if text == "here":
        return Here()
    if kind == "processes" and rest.isdecimal() and int(rest) > 0:
        return Processes(int(rest))
    if kind == "ray" and ":" in rest:
        return OnRay(rest)
    raise ValueError(f"{text} is not here, processes:N or ray:HOST:PORT")
