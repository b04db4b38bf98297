"""For tests of others: answers that were declared, given instead of what a model would say."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sartor.errors import invalid_input
from sartor.realtime.answer_ids import new_recommendation_id
from sartor.realtime.recommend import DEFAULT_RESULTS
from sartor.realtime.recommend_actions import DEFAULT_RESULTS as DEFAULT_ACTIONS
from sartor.resources.kind_names import CAMPAIGN, RECOMMENDER
from sartor.resources.kinds import kind_of
from sartor.wire.handling import Handled, Request, Result

if TYPE_CHECKING:
    from sartor.wire.sign import Caller

#: An item of an answer, as GetRecommendations has it.
Item = Mapping[str, Any]
#: What is asked: a campaign's or recommender's ARN, a user and an item; ``None`` is any.
_Key = tuple[str, str | None, str | None]


@dataclass(frozen=True)
class DeclaredAnswers:
    """What was declared for campaigns and recommenders, which need not exist. Filters and promotions change nothing."""

    _items: dict[_Key, Sequence[Item]] = field(default_factory=dict)

    def declare(self, caller: "Caller", declared: Mapping[str, Any]) -> dict[str, Any]:
        """Give these items from now on to who asks so; without ``itemList`` take back what was declared.

        Args:
            caller: who declares, of its own account.
            declared: ``campaignArn`` or ``recommenderArn``; ``userId`` and ``itemId`` for whom alone; ``itemList``.

        Returns:
            How many answers are declared now for the ARN.

        Raises:
            ApiError: ``InvalidInputException``: the ARN is of no campaign or recommender of the caller's.
        """
        named = [(name, declared[name]) for name in _KINDS if declared.get(name)]
        if len(named) != 1:
            raise invalid_input("Provide either campaignArn or recommenderArn.")
        ((member, arn),) = named
        kind = kind_of(arn, caller.region, caller.account)
        if kind is None or kind.name != _KINDS[member]:
            raise invalid_input(
                f"{member} must be the ARN of a {_KINDS[member]} of account {caller.account} in {caller.region}, "
                f"not {arn}; it need not exist."
            )
        key = (arn, declared.get("userId"), declared.get("itemId"))
        if "itemList" in declared:
            self._items[key] = declared["itemList"]
        else:
            self._items.pop(key, None)
        return {member: arn, "declared": sum(one[0] == arn for one in list(self._items))}

    def before(self, handled: Mapping[str, Handled]) -> dict[str, Handled]:
        """Return who answers each operation: what was declared, if anything was for what is asked."""
        return {
            name: Handled(self._first(_WRITTEN[name], one.handler), one.where) if name in _WRITTEN else one
            for name, one in handled.items()
        }

    def _first(
        self, write: Callable[[Sequence[Item], Request], dict[str, Any]], otherwise: Any
    ) -> Callable[["Caller", Request], Result]:
        def answer(caller: "Caller", request: Request) -> Result:
            arn = request.get("campaignArn") or request.get("recommenderArn") or ""
            items = self._of(arn, request.get("userId"), request.get("itemId"))
            if items is None or kind_of(arn, caller.region, caller.account) is None:
                found: Result = otherwise(caller, request)
                return found
            return {**write(items, request), "recommendationId": new_recommendation_id(arn)}

        return answer

    def _of(self, arn: str, user: str | None, item: str | None) -> Sequence[Item] | None:
        """Return what was declared for a question, the most particular first."""
        keys = ((arn, user, item), (arn, user, None), (arn, None, item), (arn, None, None))
        return next((self._items[key] for key in keys if key in self._items), None)


def _recommendations(items: Sequence[Item], request: Request) -> dict[str, Any]:
    return {"itemList": list(items[: request.get("numResults") or DEFAULT_RESULTS])}


def _ranking(items: Sequence[Item], request: Request) -> dict[str, Any]:
    """Return the request's items, those that were declared first and in that order."""
    asked = dict.fromkeys(request["inputList"])
    first = {item["itemId"]: item for item in items if item["itemId"] in asked}
    others = [{"itemId": name} for name in asked if name not in first]
    return {"personalizedRanking": [*first.values(), *others]}


def _actions(items: Sequence[Item], request: Request) -> dict[str, Any]:
    names = {"itemId": "actionId", "score": "score"}
    actions = [{names[key]: value for key, value in item.items() if key in names} for item in items]
    return {"actionList": actions[: request.get("numResults") or DEFAULT_ACTIONS]}


#: Which kind of resource a member of a request names.
_KINDS: Final = {"campaignArn": CAMPAIGN, "recommenderArn": RECOMMENDER}
#: How each operation says what was declared.
_WRITTEN: Final[Mapping[str, Callable[[Sequence[Item], Request], dict[str, Any]]]] = {
    "GetRecommendations": _recommendations,
    "GetPersonalizedRanking": _ranking,
    "GetActionRecommendations": _actions,
}
