"""The use cases of the two domains, a row each: which recipe's model, on which events, and how it is asked.

Source: the guide's pages "ECOMMERCE use cases" and "VIDEO_ON_DEMAND use cases". None has parameters.
"""

from dataclasses import replace
from typing import Final

from sartor.recipes import trainers
from sartor.recipes.parameters import Transformation
from sartor.recipes.recipe import FIRST_PUBLISHED, Domain, Recipe, RecipeType
from sartor.recipes.serving import Serving
from sartor.recipes.trainers import Trainer


def _use_case(
    name: str,
    recipe_type: RecipeType,
    domain: Domain,
    description: str,
    trainer: Trainer,
    serving: Serving,
    *,
    event_type: str | None = None,
    needs_items: bool = False,
) -> Recipe:
    return Recipe(
        name,
        recipe_type,
        description,
        name,
        Transformation(name),
        trainer,
        domain=domain,
        since=FIRST_PUBLISHED,
        serving=serving,
        event_type=event_type,
        needs_items=needs_items,
    )


#: The list is everybody's, and yet the guide wants to know who asks.
_POPULAR = Serving(requires=("userId",), in_batch=False)
_RELATED = Serving(needs="itemId", in_batch=False)
_RELATED_TO_A_USER = replace(_RELATED, requires=("userId",))
_PERSONAL = Serving(needs="userId", explores="configured", in_context=True, in_batch=False)
#: What a user of a shop has bought already, and of a video service has seen.
_BOUGHT, _WATCHED = "Purchase", "Watch"

USE_CASES: Final = (
    _use_case(
        "aws-ecomm-popular-items-by-views",
        "POPULAR_ITEMS",
        "ECOMMERCE",
        "Most viewed: the items that most users viewed.",
        trainers.POPULARITY,
        _POPULAR,
        event_type="View",
    ),
    _use_case(
        "aws-ecomm-popular-items-by-purchases",
        "POPULAR_ITEMS",
        "ECOMMERCE",
        "Best sellers: the items that most users purchased.",
        trainers.POPULARITY,
        _POPULAR,
        event_type="Purchase",
    ),
    _use_case(
        "aws-ecomm-frequently-bought-together",
        "RELATED_ITEMS",
        "ECOMMERCE",
        "Frequently bought together: items that are purchased together with a given item.",
        trainers.TOGETHER,
        _RELATED,
        event_type="Purchase",
    ),
    _use_case(
        "aws-ecomm-customers-who-viewed-x-also-viewed",
        "RELATED_ITEMS",
        "ECOMMERCE",
        "Customers who viewed X also viewed: items that viewers of a given item viewed too.",
        trainers.ALSO,
        replace(_RELATED_TO_A_USER, removes=_BOUGHT),
        event_type="View",
    ),
    _use_case(
        "aws-ecomm-recommended-for-you",
        "USER_PERSONALIZATION",
        "ECOMMERCE",
        "Recommended for you: personalized recommendations for a user, with exploration of new items.",
        trainers.PERSONAL,
        replace(_PERSONAL, removes=_BOUGHT),
    ),
    _use_case(
        "aws-vod-because-you-watched-x",
        "RELATED_ITEMS",
        "VIDEO_ON_DEMAND",
        "Because you watched X: videos that other users also watched, given one that the user watched.",
        trainers.ALSO,
        replace(_RELATED_TO_A_USER, removes=_WATCHED),
        event_type="Watch",
    ),
    _use_case(
        "aws-vod-more-like-x",
        "RELATED_ITEMS",
        "VIDEO_ON_DEMAND",
        "More like X: videos that are similar to a given video.",
        trainers.SIMILAR,
        replace(_RELATED_TO_A_USER, removes=_WATCHED),
        needs_items=True,
    ),
    _use_case(
        "aws-vod-most-popular",
        "POPULAR_ITEMS",
        "VIDEO_ON_DEMAND",
        "Most popular: the videos that most users watched.",
        trainers.POPULARITY,
        _POPULAR,
        event_type="Watch",
    ),
    _use_case(
        "aws-vod-trending-now",
        "POPULAR_ITEMS",
        "VIDEO_ON_DEMAND",
        "Trending now: videos that gain popularity fastest.",
        trainers.TRENDING,
        Serving(in_batch=False),
    ),
    _use_case(
        "aws-vod-top-picks",
        "USER_PERSONALIZATION",
        "VIDEO_ON_DEMAND",
        "Top picks for you: personalized recommendations for a user, with exploration of new videos.",
        trainers.PERSONAL,
        replace(_PERSONAL, removes=_WATCHED),
    ),
)
