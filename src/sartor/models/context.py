"""How much likelier each item is in a context, beside what a history says: Bayes' rule with smoothed counts.

Given an item, a context is taken to be independent of the history, so that what it says is added to the logits:
log P(context | item) - log P(context). An item of few interactions, or of none, is as likely as in any context.
"""

from typing import Final

import numpy as np

from sartor.models.base import Float32, Int32

#: Of so many interactions in the catalogue's usual contexts each item's counts are told beforehand.
_PRIOR_INTERACTIONS: Final = 10.0


def lift(items: Int32, counts: Int32, of_item: Float32, interactions: float) -> Float32:
    """Return float32[items]: what one value of a context adds to the logit of each item.

    Args:
        items: int32[k], those with interactions in this context, each once.
        counts: int32[k], how many each has.
        of_item: float32[items], the interactions of each in all contexts.
        interactions: their sum.
    """
    usual = float(counts.sum()) / max(interactions, 1.0)
    if not usual:
        return np.zeros_like(of_item)
    chance = np.full_like(of_item, _PRIOR_INTERACTIONS * usual)
    chance[items] += counts
    chance /= (of_item + np.float32(_PRIOR_INTERACTIONS)) * np.float32(usual)
    found: Float32 = np.log(chance, out=chance)
    return found
