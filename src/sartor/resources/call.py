"""One call of one caller: what a rule may ask, and what it asks to be remembered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sartor.errors import ApiError, NotYet, already_exists, in_use, invalid_input, limit_exceeded, not_found
from sartor.resources.kinds import CREATING, KINDS, arn_of, kind_of
from sartor.resources.store import Resource, Transaction

if TYPE_CHECKING:
    from sartor.data.sources import Sources

Request = dict[str, Any]


def lock_of(account: str, region: str) -> str:
    """Return the word that makes the writers of one account and region wait for each other."""
    return f"{account}/{region}"


@dataclass(frozen=True)
class Draft:
    """A resource that a rule has allowed and that is not yet written.

    Attributes:
        arn: its ARN.
        name: what its creator called it.
        body: its own members of the Describe answer.
        private: what only Sartor knows of it.
        parents: the ARNs that it names.
        tags: its first tags.
        answer: members of the Create answer beside its ARN.
        also: resources that come with it unless they are there already, by their kind; they are active at once.
            A kind that is not in the table of kinds is in no list.
        slow_check: a check that must not hold a transaction open, such as a look at the files of an import; it
            raises ``JobFailed`` as the job would.
        at_call: what is kept, beside ``private``, of the moment when the call began; a slow check does not move it.
    """

    arn: str
    name: str
    body: dict[str, Any]
    private: dict[str, Any] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    answer: dict[str, Any] = field(default_factory=dict)
    also: "Mapping[str, Draft]" = field(default_factory=dict)
    slow_check: Callable[["Sources"], None] | None = None
    at_call: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """Who asks, inside which transaction; every question is about the caller's own account and region.

    Attributes:
        transaction: the open transaction.
        account: the caller's account.
        region: the region of the request.
        quotas_on: whether Amazon's numbers of resources and jobs apply.
        now: when, in epoch seconds with milliseconds, as the service gives them.
        secret: the service's own, for what only it can have sealed.
    """

    transaction: Transaction
    account: str
    region: str
    quotas_on: bool
    now: float
    secret: bytes

    def find(self, arn: str, kind: str) -> Resource:
        """Return the caller's resource of this ARN and kind.

        Raises:
            ApiError: ``ResourceNotFoundException``; also when it is another account's, region's or kind's.
        """
        named = kind_of(arn, self.region, self.account)
        resource = self.transaction.get(arn) if named is not None and named.name == kind else None
        if resource is None:
            raise not_found(arn)
        return resource

    def arn(self, kind: str, **names: str) -> str:
        """Return the ARN of a resource of the caller's account and region."""
        return arn_of(KINDS[kind], self.region, self.account, **names)

    def free_arn(self, kind: str, **names: str) -> str:
        """Return the ARN that a new resource of this kind gets.

        Raises:
            ApiError: ``ResourceAlreadyExistsException`` when it is taken, ``InvalidInputException`` when the
                caller's region is no region's name.
        """
        arn = arn_of(KINDS[kind], self.region, self.account, **names)
        if kind_of(arn, self.region, self.account) is None:  # the region is the one part that no model checks
            raise invalid_input(f"{self.region} is not a valid region.")
        if self.transaction.get(arn) is not None:
            raise already_exists(arn)
        return arn

    def count(self, kind: str, statuses: tuple[str, ...] | None = None) -> int:
        """Return how many resources of a kind the caller has here, of these statuses or of any."""
        return self.transaction.count(kind, self.account, self.region, statuses)

    def require_active_quota(
        self, kind: str, words: str, maximum: int, has_status: bool = True, of: str | None = None
    ) -> None:
        """Refuse one more active resource than the quota, in the words of Amazon's known text.

        Args:
            kind: what is counted.
            words: what is created, for the message.
            maximum: the quota.
            has_status: whether only those count that are active or on their way there.
            of: the ARN that the counted must name; without it all of the account count.

        Raises:
            ApiError: ``LimitExceededException``.
        """
        if not self.quotas_on:
            return
        statuses = KINDS[kind].counted if has_status else None
        if of is None:
            present = self.count(kind, statuses)
        else:
            children = self.transaction.children(of, kind)
            present = sum(statuses is None or child.status in statuses for child in children)
        if present >= maximum:
            raise limit_exceeded(
                f"Cannot create {words}. More than {maximum} resources in ACTIVE state. "
                "Please delete some and try again."
            )


def require_active(resource: Resource) -> None:
    """Refuse to build on a resource that is not ``ACTIVE``.

    Raises:
        ApiError: ``ResourceInUseException``.
    """
    if resource.status != "ACTIVE":
        raise inactive(resource)


def inactive(resource: Resource, error: Callable[[str], ApiError] = in_use) -> ApiError:
    """Return the error of a call that needs a resource to be ``ACTIVE``; for one that is being created, ``NotYet``.

    Args:
        resource: which is not.
        error: makes the error of a message.
    """
    found = error(f"Resource {resource.arn} must be ACTIVE, but its status is {resource.status}.")
    return NotYet(found.code, found.message) if resource.status in CREATING else found
