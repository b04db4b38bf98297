"""The grammar of filter expressions, and what a text is in it. Apart from ``parse`` because lark is slow to load."""

from collections.abc import Mapping, Sequence, Set
from functools import lru_cache
from typing import Final, cast

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken, v_args

from sartor.errors import invalid_input
from sartor.filters.tree import (
    DATASETS,
    Action,
    Condition,
    CurrentItem,
    Expression,
    Filter,
    Operand,
    Operator,
    Placeholder,
    Position,
    Target,
    Value,
    Wildcard,
)

#: The longest expression, in characters.
MAXIMUM_CHARACTERS: Final = 2500

_TARGETS: Final[Mapping[str, Target]] = {"itemid": "ItemID", "userid": "UserID", "actionid": "ActionID"}
#: Every prefix in the one spelling that they are looked up by.
_PREFIXES: Final = {name.replace("_", "").casefold(): name for name in DATASETS}
#: How each terminal of the grammar is called in a message, in the order in which they are listed.
_SHOWN: Final = {
    "ACTION": "INCLUDE or EXCLUDE",
    "TARGET": "ItemID, UserID or ActionID",
    "_WHERE": "WHERE",
    "NAME": "a dataset and a column, such as Items.GENRE",
    "DOT": "a period",
    "_IN": "IN",
    "_NOT": "NOT IN",
    "COMPARISON": "=, !=, <, <=, > or >=",
    "STRING": 'a text in quotes, such as "Comedy"',
    "NUMBER": "a number",
    "PLACEHOLDER": "a placeholder, such as $GENRE",
    "STAR": "*",
    "CURRENT_ITEM": "CurrentItem",
    "COMMA": "a comma",
    "LPAR": "(",
    "RPAR": ")",
    "_AND": "AND",
    "_OR": "OR",
    "_IF": "IF",
    "VBAR": "|",
    "$END": "the end",
}
#: What helps where one thing stands (a terminal or a character) while another is expected.
_HINTS: Final = {
    (
        "LPAR",
        "NAME",
    ): "Parentheses cannot group conditions; AND binds before OR, and | joins whole expressions.",
    ("NAME", "STRING"): "A text stands in quotes.",
    ("CURRENT_ITEM", "STRING"): "CurrentItem stands without parentheses.",
    ("STRING", "LPAR"): "IN takes its values in parentheses.",
    ("NUMBER", "LPAR"): "IN takes its values in parentheses.",
    ("PLACEHOLDER", "LPAR"): "IN takes its values in parentheses.",
    ("STAR", "LPAR"): "IN takes its values in parentheses.",
    ("_OR", "$END"): "Conditions can only be joined with AND here.",
    ('"', "STRING"): "The quotes that begin here are not closed.",
    ("'", "STRING"): "The quotes that begin here are not closed.",
    **{(quote, "STRING"): "Use straight quotes." for quote in "“”„‘’«»`"},
}


class _WrongError(Exception):
    """What stands in an expression where something else must."""


def read(text: str, rule: str, refused: str) -> object:
    """Return what a rule of the grammar makes of a text.

    Raises:
        ApiError: ``InvalidInputException`` that says where the text goes wrong; it begins with ``refused``.
    """
    if len(text) > MAXIMUM_CHARACTERS:
        raise invalid_input(f"{refused} It has {len(text)} characters, {MAXIMUM_CHARACTERS} are allowed.")
    try:
        return _reader().parse(text, rule)
    except UnexpectedInput as error:
        raise invalid_input(f"{refused} {_wrong(text, error)}") from None
    except _WrongError as error:
        raise invalid_input(f"{refused} {error}") from None


@lru_cache(maxsize=1)
def _reader() -> Lark:
    """Return the parser, made once."""
    return Lark.open(
        "grammar.lark",
        rel_to=__file__,
        parser="lalr",
        start=["filter", "all_of"],
        transformer=_Build(),
        maybe_placeholders=False,
    )


@v_args(inline=True)
class _Build(Transformer[Token, Filter]):
    """Makes the tree while the text is read: one method for each rule of the grammar."""

    def filter(self, *expressions: Expression) -> Filter:
        return Filter(expressions)

    def expression(
        self,
        action: Token,
        target: Token,
        any_of: tuple[tuple[Condition, ...], ...],
        user: tuple[Condition, ...] = (),
    ) -> Expression:
        return Expression(
            cast(Action, action.upper()), _TARGETS[target.casefold()], any_of, user, _position(action)
        )

    def any_of(self, *alternatives: tuple[Condition, ...]) -> tuple[tuple[Condition, ...], ...]:
        return alternatives

    def all_of(self, *conditions: Condition) -> tuple[Condition, ...]:
        return conditions

    def within(self, of: tuple[Token, str, str], values: tuple[Operand, ...]) -> Condition:
        return _condition(of, "IN", values)

    def without(self, of: tuple[Token, str, str], values: tuple[Operand, ...]) -> Condition:
        return _condition(of, "NOT IN", values)

    def compared(self, of: tuple[Token, str, str], sign: Token, value: Operand) -> Condition:
        return _condition(of, cast(Operator, str(sign)), (value,))

    def property(self, prefix: Token, name: Token) -> tuple[Token, str, str]:
        return prefix, _dataset(prefix), str(name)

    def values(self, *operands: Operand) -> tuple[Operand, ...]:
        return operands

    def current_item(self, prefix: Token, name: Token) -> CurrentItem:
        return CurrentItem(str(name), _position(prefix))

    def string(self, token: Token) -> Operand:
        text, at = token[1:-1], _position(token)
        if text == "*":
            return Wildcard(at)
        if _is_placeholder(text):
            return Placeholder(text[1:], at)
        return Value(text, True, at)

    def number(self, token: Token) -> Operand:
        return Value(str(token), False, _position(token))

    def placeholder(self, token: Token) -> Operand:
        return Placeholder(str(token[1:]), _position(token))

    def wildcard(self, token: Token) -> Operand:
        return Wildcard(_position(token))


def _condition(of: tuple[Token, str, str], operator: Operator, operands: tuple[Operand, ...]) -> Condition:
    prefix, dataset, name = of
    return Condition(dataset, name, operator, operands, at=_position(prefix))


def _is_placeholder(text: str) -> bool:
    """Say whether a text in quotes is ``$name``, as the guide's sample for the command line has it."""
    name = text[1:].replace("_", "a")
    return text.startswith("$") and name.isascii() and name.isalnum()


def _dataset(prefix: Token) -> str:
    """Return a prefix as ``DATASETS`` spells it."""
    found = _PREFIXES.get(prefix.replace("_", "").casefold())
    if found is None:
        raise _WrongError(_unexpected(str(prefix), _position(prefix), list(DATASETS)))
    return found


def _position(token: Token) -> Position:
    return Position(token.line or 1, token.column or 1, (token.start_pos or 0) + 1)


def _place(text: str, offset: int) -> Position:
    before = text[:offset]
    return Position(before.count("\n") + 1, offset - before.rfind("\n"), offset + 1)


def _unexpected(found: str, at: Position, expected: Sequence[str], hint: str = "") -> str:
    """Return the text for what stands at a place."""
    shown = found if len(found) <= 60 else f"{found[:57]}..."
    return f"Invalid input symbol: {shown} at {at}. Expected {_listed(expected)}.{hint and ' '}{hint}"


def _listed(expected: Sequence[str]) -> str:
    return expected[0] if len(expected) == 1 else f"one of: {'; '.join(expected)}"


def _expected(allowed: Set[str], *, after_a_dot: bool) -> list[str]:
    """Return what may stand at a place, in words."""
    if after_a_dot:
        return ["the name of a column"]
    ends = {"$END"} if "VBAR" in allowed else set()
    return [shown for name, shown in _SHOWN.items() if name in allowed | ends]


def _wrong(text: str, error: UnexpectedInput) -> str:
    """Return what a person should read instead of the parser's own error."""
    if isinstance(error, UnexpectedToken):
        token, allowed = error.token, error.accepts or error.expected or {"$END"}
        found, kind, offset = str(token), token.type, token.start_pos or 0
    else:
        wrong = cast(UnexpectedCharacters, error)
        offset, allowed = wrong.pos_in_stream or 0, wrong.allowed or set()
        found = kind = text[offset]
    expected = _expected(allowed, after_a_dot=text[:offset].rstrip().endswith("."))
    if kind == "$END":
        end = _place(text, len(text.rstrip()))
        return f"The expression ends too early, at {end}. Expected {_listed(expected)}."
    hint = next((hint for (stands, name), hint in _HINTS.items() if stands == kind and name in allowed), "")
    return _unexpected(found, _place(text, offset), expected, hint)
