"""What filters need to know of a dataset's schema, and no more."""

from collections.abc import Sequence
from typing import Protocol


class Field(Protocol):
    """A column of a schema, as ``sartor.data.schema`` has it."""

    @property
    def name(self) -> str:
        """The column's name."""

    @property
    def type(self) -> str:
        """Its Avro type."""

    @property
    def categorical(self) -> bool:
        """Whether it holds categories, parted by ``|``."""

    @property
    def textual(self) -> bool:
        """Whether it is text to understand."""


class Schema(Protocol):
    """The columns of a dataset, as ``sartor.data.schema`` has them."""

    @property
    def fields(self) -> Sequence[Field]:
        """The columns."""
