"""The use cases of the two domains, a row each."""

from typing import Final, Literal

from sartor.recipes.parameters import Transformation
from sartor.recipes.recipe import FIRST_PUBLISHED, Recipe, RecipeType


def _use_case(
    name: str, recipe_type: RecipeType, domain: Literal["ECOMMERCE", "VIDEO_ON_DEMAND"], description: str
) -> Recipe:
    """Return a use case of a domain; none has parameters."""
    return Recipe(
        name, recipe_type, description, name, Transformation(name), domain=domain, since=FIRST_PUBLISHED
    )


USE_CASES: Final = (
    _use_case(
        "aws-ecomm-popular-items-by-views",
        "POPULAR_ITEMS",
        "ECOMMERCE",
        "Most viewed: the items that most users viewed.",
    ),
    _use_case(
        "aws-ecomm-popular-items-by-purchases",
        "POPULAR_ITEMS",
        "ECOMMERCE",
        "Best sellers: the items that most users purchased.",
    ),
    _use_case(
        "aws-ecomm-frequently-bought-together",
        "RELATED_ITEMS",
        "ECOMMERCE",
        "Frequently bought together: items that are purchased together with a given item.",
    ),
    _use_case(
        "aws-ecomm-customers-who-viewed-x-also-viewed",
        "RELATED_ITEMS",
        "ECOMMERCE",
        "Customers who viewed X also viewed: items that viewers of a given item viewed too.",
    ),
    _use_case(
        "aws-ecomm-recommended-for-you",
        "USER_PERSONALIZATION",
        "ECOMMERCE",
        "Recommended for you: personalized recommendations for a user, with exploration of new items.",
    ),
    _use_case(
        "aws-vod-because-you-watched-x",
        "RELATED_ITEMS",
        "VIDEO_ON_DEMAND",
        "Because you watched X: videos that other users also watched, given one that the user watched.",
    ),
    _use_case(
        "aws-vod-more-like-x",
        "RELATED_ITEMS",
        "VIDEO_ON_DEMAND",
        "More like X: videos that are similar to a given video.",
    ),
    _use_case(
        "aws-vod-most-popular",
        "POPULAR_ITEMS",
        "VIDEO_ON_DEMAND",
        "Most popular: the videos that most users watched.",
    ),
    _use_case(
        "aws-vod-trending-now",
        "POPULAR_ITEMS",
        "VIDEO_ON_DEMAND",
        "Trending now: videos that gain popularity fastest.",
    ),
    _use_case(
        "aws-vod-top-picks",
        "USER_PERSONALIZATION",
        "VIDEO_ON_DEMAND",
        "Top picks for you: personalized recommendations for a user, with exploration of new videos.",
    ),
)
