"""The ids of answers: each says which campaign or recommender gave it, so that nothing must be kept of an answer."""

from functools import lru_cache
from hashlib import blake2b
from random import getrandbits
from typing import Final
from uuid import UUID

#: The last group of a UUID's digits says who answered; the others are random.
_RANDOM_CHARACTERS: Final = 24
_ENDING_BYTES: Final = 6
#: How many characters of an id say who answered.
ENDING_CHARACTERS: Final = 2 * _ENDING_BYTES


@lru_cache(maxsize=4096)
def ending_of(arn: str) -> str:
    """Return the hexadecimal digits that the ids of a campaign's or recommender's answers end with."""
    return blake2b(arn.encode(), digest_size=_ENDING_BYTES).hexdigest()


def new_recommendation_id(arn: str) -> str:
    """Return a new id in the service's form, of an answer that the campaign or recommender of this ARN gives."""
    return f"RID-{str(UUID(int=getrandbits(128), version=4))[:_RANDOM_CHARACTERS]}{ending_of(arn)}"
