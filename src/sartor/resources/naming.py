"""What people call a resource: its name, or the end of its ARN, where only an ARN is certain."""

from collections.abc import Sequence

from sartor.resources.kind_names import DATASET, SOLUTION, SOLUTION_VERSION
from sartor.resources.kinds import KINDS, Kind, arn_at
from sartor.resources.tables import Resource
from sartor.resources.transaction import Transaction


def short_name(resource: Resource) -> str:
    """Return what is typed for a resource: the end of its ARN for what is part of another, else its name."""
    if resource.kind in (DATASET, SOLUTION_VERSION):
        return resource.arn.partition("/")[2]
    return resource.name


def called(
    transaction: Transaction, kinds: Sequence[str], account: str, region: str, name: str
) -> list[Resource]:
    """Return the resources of some kinds that are called so: ``shop/ITEMS``; of a solution its newest version."""
    return [one for kind in kinds for one in _of_kind(transaction, KINDS[kind], account, region, name)]


def _of_kind(
    transaction: Transaction, kind: Kind, account: str, region: str, name: str
) -> Sequence[Resource]:
    if kind.name == SOLUTION_VERSION and "/" not in name:
        solution = arn_at(KINDS[SOLUTION], region, account, name)
        newest = transaction.child(solution, SOLUTION_VERSION)
        return [] if newest is None else [newest]
    tail = name
    if kind.name == DATASET:
        group, _, dataset_type = name.partition("/")
        tail = f"{group}/{dataset_type.upper()}"
    found = transaction.get(arn_at(kind, region, account, tail))
    if found is not None and found.kind == kind.name:
        return [found]
    return transaction.named(kind.name, account, region, name)
