"""How many threads NumPy's products take in a process that answers.

A product with a small catalogue takes some 50 µs: threads that share it wait for each other, and far longer while a
training beside them takes its turns. One with a large catalogue is bound by memory, which several read faster.
"""

from threadpoolctl import ThreadpoolController

from sartor.realtime.scoring import LARGE_CATALOGUE


class ProductThreads:
    """The products of this process."""

    def __init__(self) -> None:
        self._libraries = ThreadpoolController().select(user_api="blas")
        self._most = max((one.num_threads for one in self._libraries.lib_controllers), default=1)

    def fit(self, items: int) -> None:
        """Take as many threads as suit the largest catalogue that is served."""
        self._libraries.limit(limits=self._most if items >= LARGE_CATALOGUE else 1)
