"""TagResource, UntagResource and ListTagsForResource, and the rules of a tag."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sartor.errors import ApiError, invalid_input, not_found
from sartor.resources.call import Call, Request
from sartor.resources.kinds import kind_of

#: How many tags a resource may have (the service model's lists allow more).
MAX_TAGS: Final = 50
#: Recipes, algorithms and feature transformations have neither region nor account, nor tags.
_CATALOGUE = "arn:aws:personalize:::"


def checked(
    given: Sequence[Mapping[str, str]] | None, present: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the tags of a request by key.

    Args:
        given: the request's member ``tags``.
        present: the tags that the resource has already.

    Raises:
        ApiError: ``TooManyTagsException`` above 50 tags, ``InvalidInputException`` for a key that is reserved
            or occurs twice.
    """
    given = given or []
    tags = {tag["tagKey"]: tag["tagValue"] for tag in given}
    if len(given) > MAX_TAGS or len({**(present or {}), **tags}) > MAX_TAGS:
        raise ApiError("TooManyTagsException", f"A resource cannot have more than {MAX_TAGS} tags.")
    if len(tags) < len(given):
        raise invalid_input("Tag keys must be unique: a key occurs more than once.")
    for key in tags:
        if key.lower().startswith("aws:"):
            raise invalid_input(f"Tag key {key} is not allowed: keys that start with aws: are reserved.")
    return tags


def tag_resource(call: Call, request: Request) -> dict[str, Any]:
    """Answer TagResource: add tags, or give those that are there new values.

    Raises:
        ApiError: see ``checked``; ``ResourceNotFoundException`` when the caller has no such resource.
    """
    arn = _taggable(call, request["resourceArn"])
    call.transaction.set_tags(arn, checked(request["tags"], call.transaction.tags(arn)))
    return {}


def untag_resource(call: Call, request: Request) -> dict[str, Any]:
    """Answer UntagResource; a key that the resource does not have is no error.

    Raises:
        ApiError: ``TooManyTagKeysException`` above 50 keys; ``ResourceNotFoundException`` when the caller has
            no such resource.
    """
    if len(request["tagKeys"]) > MAX_TAGS:
        raise ApiError("TooManyTagKeysException", f"A request cannot name more than {MAX_TAGS} tag keys.")
    call.transaction.remove_tags(_taggable(call, request["resourceArn"]), request["tagKeys"])
    return {}


def list_tags_for_resource(call: Call, request: Request) -> dict[str, Any]:
    """Answer ListTagsForResource.

    Raises:
        ApiError: ``ResourceNotFoundException`` when the caller has no such resource.
    """
    tags = call.transaction.tags(_taggable(call, request["resourceArn"]))
    return {"tags": [{"tagKey": key, "tagValue": value} for key, value in tags.items()]}


def _taggable(call: Call, arn: str) -> str:
    """Return the ARN of a resource of the caller that takes tags."""
    kind = kind_of(arn, call.region, call.account)
    if arn.startswith(_CATALOGUE) or (kind is not None and not kind.taggable):
        raise invalid_input(f"Resource {arn} does not support tags.")
    if kind is None:
        raise not_found(arn)
    return call.find(arn, kind.name).arn
