"""What is known of a call: IAM's condition keys, each found when a policy asks for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sartor.policies.facts import Facts, Values
from sartor.policies.principal import Principal, iso_time, tagged
from sartor.wire.sign import HttpRequest

#: To whom a call hands a role.
_PASSED_TO: Final = "personalize.amazonaws.com"


@dataclass(frozen=True)
class CallFacts(Facts):
    """The facts of one call.

    Attributes:
        principal: who asks.
        region: in which.
        request: as it came.
        clock: gives epoch seconds.
        tags_of: finds the tags of a resource.
        members: of a call of the service models.
        resource: that it is about.
        more: further condition keys, in lower case.
        brought: tags that it brings, beside those of ``members``.
    """

    principal: Principal
    region: str
    request: HttpRequest
    clock: Callable[[], float]
    tags_of: Callable[[str], Mapping[str, str]]
    members: Mapping[str, Any] = field(default_factory=dict)
    resource: str = ""
    more: Mapping[str, str | None] = field(default_factory=dict)
    brought: Mapping[str, str] = field(default_factory=dict)

    def get(self, key: str) -> Values:
        """Return the values of a condition key, which is the same in any case; no value is ``None``."""
        key = key.lower()
        find = _KEYS.get(key)
        if find is not None:
            return find(self) or None
        family, _, name = key.partition("/")
        if family in _FAMILIES:
            return _FAMILIES[family](self, name) or None
        value = self.more.get(key) or self.principal.facts.get(key)
        return None if value is None else (value,)

    def request_tags(self) -> dict[str, str]:
        """Return the tags that the call brings, by key; of one that takes tags away the keys, without values."""
        said = {str(tag.get("tagKey")): str(tag.get("tagValue")) for tag in self.members.get("tags") or ()}
        return {**self.brought, **said, **dict.fromkeys(self.members.get("tagKeys") or (), "")}

    def header(self, name: str) -> Values:
        """Return a header of the request."""
        value = self.request.headers.get(name)
        return None if value is None else (value,)


#: The condition keys about a call, in lower case.                                        <- add a condition key
_KEYS: Final[Mapping[str, Callable[[CallFacts], Values]]] = {
    "aws:currenttime": lambda call: (iso_time(call.clock()),),
    "aws:epochtime": lambda call: (str(int(call.clock())),),
    "aws:requestedregion": lambda call: (call.region,),
    "aws:resourceaccount": lambda call: (call.principal.account,),
    "aws:securetransport": lambda call: ("true" if call.request.secure else "false",),
    "aws:sourceip": lambda call: (call.request.client,) if call.request.client else None,
    "aws:useragent": lambda call: call.header("user-agent"),
    "aws:referer": lambda call: call.header("referer"),
    "aws:viaawsservice": lambda _call: ("false",),
    "aws:tagkeys": lambda call: tuple(call.request_tags()),
    "iam:passedtoservice": lambda _call: (_PASSED_TO,),
}
#: Those with a name behind a slash.
_FAMILIES: Final[Mapping[str, Callable[[CallFacts, str], Values]]] = {
    "aws:principaltag": lambda call, name: tagged(call.principal.tags, name),
    "aws:requesttag": lambda call, name: tagged(call.request_tags(), name),
    "aws:resourcetag": lambda call, name: tagged(call.tags_of(call.resource), name),
}
