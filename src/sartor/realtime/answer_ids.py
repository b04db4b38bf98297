"""The ids of answers: each says which campaign or recommender gave it, so that nothing must be kept of an answer."""

from functools import lru_cache
from hashlib import blake2b
from random import getrandbits
from typing import Final

#: The last group of a UUID's digits says who answered.
ENDING_CHARACTERS: Final = 12
#: What is random of a UUID of version 4 beside that.
_RANDOM_BITS: Final = 72


@lru_cache(maxsize=4096)
def ending_of(arn: str) -> str:
    """Return the hexadecimal digits that the ids of a campaign's or recommender's answers end with."""
    return blake2b(arn.encode(), digest_size=ENDING_CHARACTERS // 2).hexdigest()


def new_recommendation_id(arn: str) -> str:
    """Return a new id in the service's form, of an answer that the campaign or recommender of this ARN gives."""
    digits = f"{getrandbits(_RANDOM_BITS):018x}"
    return f"RID-{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-a{digits[15:]}-{ending_of(arn)}"
