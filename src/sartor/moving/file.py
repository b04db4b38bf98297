"""A file that declares resources: ours, or a template of CloudFormation."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sartor.moving import cloudformation, own_form, yaml_file
from sartor.moving.declared import DeclarationError, Declared, Resources, in_order

_MOST_FAULTS = 20


@dataclass(frozen=True)
class Declaration:
    """What a file declares.

    Attributes:
        resources: by kind and name, in the order in which they can be created.
        notes: what it has that is not for here, a sentence each.
    """

    resources: Resources
    notes: tuple[str, ...] = ()


def read(name: str, text: str, parameters: Mapping[str, str]) -> Declaration:
    """Return what a text declares.

    Args:
        name: of its file, for what is said of it.
        text: YAML or JSON.
        parameters: values for a template's parameters.

    Raises:
        DeclarationError: it has faults; the message has a line for each.
    """
    top, faults = yaml_file.read(name, text), list[str]()
    notes = []
    if cloudformation.is_template(top):
        found = list(cloudformation.read(name, top, parameters, faults))
        if not faults:
            others = cloudformation.left_out(top)
            notes = [f"{logical} ({of_type}) is not for here." for logical, of_type in others.items()]
    else:
        if parameters.keys() - PSEUDO:
            raise DeclarationError(f"{name}: only a CloudFormation template has parameters.")
        found = list(own_form.read(name, top, faults))
    _require_one_each(found, faults)
    if faults:
        more = [f"and {len(faults) - _MOST_FAULTS} more."] if len(faults) > _MOST_FAULTS else []
        raise DeclarationError("\n".join([*faults[:_MOST_FAULTS], *more]))
    if not found:
        raise DeclarationError(f"{name}: it declares nothing: sections are schemas and datasetGroups.")
    return Declaration({one.key: one for one in in_order(found)}, tuple(notes))


#: The parameters that CloudFormation gives every template.
PSEUDO = frozenset({"AWS::AccountId", "AWS::Partition", "AWS::Region", "AWS::StackName"})


def _require_one_each(found: Iterable[Declared], faults: list[str]) -> None:
    first: dict[tuple[str, str], Declared] = {}
    for one in found:
        other = first.setdefault(one.key, one)
        if other is not one:
            faults.append(f"{one.place}: {one.label} is there twice, first at {other.place}.")
