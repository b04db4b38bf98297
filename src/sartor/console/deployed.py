"""``/sartor/v1/deployed``: whom and what one can ask about of a campaign or a recommender: users, histories, items."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from sartor.console import asked
from sartor.console.resources import shown
from sartor.data.ids import Ids
from sartor.errors import invalid_input
from sartor.models.base import Int64
from sartor.realtime.artifact import Artifact
from sartor.realtime.catalogue import Catalogue
from sartor.realtime.deployments import Deployment, Deployments
from sartor.realtime.version import Version
from sartor.recipes import BY_ARN
from sartor.resources.kind_names import CAMPAIGN, RECOMMENDER
from sartor.resources.store import Resource
from sartor.wire.sign import Caller, HttpRequest

_PATH: Final = re.compile(r"/sartor/v1/deployed/(.+?)(?:/(users|history|items))?")
_ALL: Final = "/sartor/v1/deployed"
_MOST: Final = 500
#: So many users are looked at for typical ones, drawn at even distances.
_DRAWN_USERS: Final = 100_000


@dataclass(frozen=True)
class DeployedPages:
    """Answers for one service.

    Attributes:
        deployments: the campaigns and recommenders.
    """

    deployments: Deployments

    def answer(self, caller: Caller, request: HttpRequest, path: str) -> dict[str, Any] | None:
        """Return the answer to a request, ``None`` if it is for no page of this module.

        Raises:
            ApiError: what it names is not there or serves nothing, or the request has a fault.
        """
        if path == _ALL and request.method != "POST":
            return self._all(caller, asked.number(request.parameters, "limit", 100, _MOST))
        found = _PATH.fullmatch(path)
        posts = request.method == "POST"
        if found is None or (posts and found[2] != "items"):
            return None
        deployment = self.deployments.of(caller, found[1])
        query = request.parameters
        limit = asked.number(query, "limit", 20, _MOST)
        if posts:
            names = asked.body(request, "ItemsNamed")["itemIds"][:_MOST]
            return {"items": items_of(deployment.version.catalogue, names)}
        if found[2] == "users":
            return _users(deployment.version, query.get("search", ""), limit)
        if found[2] == "history":
            return _history(deployment.version, query.get("userId", ""), limit)
        if found[2] == "items":
            return _items(deployment.version, query.get("search", ""), limit)
        return _described(deployment)

    def _all(self, caller: Caller, limit: int) -> dict[str, Any]:
        """Return the newest campaigns and recommenders, with how each is asked."""
        found = []
        with self.deployments.means.store.read() as transaction:
            for kind in (CAMPAIGN, RECOMMENDER):
                for one in transaction.page(kind, caller.account, caller.region, limit=limit):
                    serves = one.body.get("solutionVersionArn")
                    trained = one if serves is None else transaction.get(serves)
                    found.append({**shown(one), **({} if trained is None else _asked_by(trained))})
        found.sort(key=lambda one: -one["createdAt"])
        return {"deployed": found[:limit]}


def _asked_by(trained: Resource) -> dict[str, Any]:
    """Return of what recipe something was trained, and how that is asked."""
    recipe = BY_ARN[trained.body["recipeArn"]]
    serving = recipe.serving
    return {
        "datasetGroupArn": trained.body["datasetGroupArn"],
        "recipe": recipe.name,
        **({} if serving is None else {"operation": serving.operation, "needs": serving.needs}),
    }


def _described(deployment: Deployment) -> dict[str, Any]:
    """Return what serves, and how it is asked."""
    version, serving = deployment.version, deployment.version.serving
    return {
        "arn": deployment.arn,
        **({} if version.trained.arn == deployment.arn else {"solutionVersionArn": version.trained.arn}),
        "datasetGroupArn": version.trained.group,
        "recipe": version.recipe.name,
        "operation": serving.operation,
        "needs": serving.needs,
        "eventTypes": [name for name in version.artifact.provenance["eventTypes"] if name],
        "users": len(version.artifact.users),
        "items": len(version.catalogue),
    }


def _users(version: Version, search: str, limit: int) -> dict[str, Any]:
    """Return users whose ids begin with a text, and typical ones."""
    artifact = version.artifact
    found = starting_with(artifact.users, search, limit)
    return {"users": [_user(artifact, number) for number in found], "typical": typical(artifact)}


def starting_with(ids: Ids, text: str, limit: int) -> list[int]:
    """Return the numbers of ids that begin with a text, in their order; who is called so is the first."""
    encoded = text.encode()
    first = bisect_left(range(len(ids)), encoded, key=lambda number: ids.name(number).encode())
    found = [] if not text or (named := ids.find(text)) is None else [named]
    for number in range(first, min(first + limit, len(ids))):
        if not ids.name(number).startswith(text):
            break
        if number not in found:
            found.append(number)
    return found[:limit]


def typical(artifact: Artifact) -> list[dict[str, Any]]:
    """Return a user with a short history, one with a usual and one with a long one, and who came last.

    Of many users those are looked at who stand at even distances.
    """
    users = len(artifact.users)
    if not users:
        return []
    drawn = np.arange(0, users, max(users // _DRAWN_USERS, 1))
    begins, ends = artifact.seen_offsets[drawn], artifact.seen_offsets[drawn + 1]
    lengths: Int64 = np.asarray(ends - begins)
    drawn, ends, lengths = (one[lengths > 0] for one in (drawn, ends, lengths))
    if not len(drawn):
        return []
    order = np.argsort(lengths, kind="stable")
    places = {
        "short history": order[0],
        "usual history": order[len(order) // 2],
        "long history": order[-1],
        "newest": int(np.argmax(artifact.seen_time[ends - 1])),
    }
    return [{"typical": word, **_user(artifact, int(drawn[place]))} for word, place in places.items()]


def _user(artifact: Artifact, number: int) -> dict[str, Any]:
    """Return a user with how much the training saw of them."""
    begin, end = artifact.seen_offsets[number : number + 2].tolist()
    newest = {"newestAt": int(artifact.seen_time[end - 1])} if end > begin else {}
    return {"userId": artifact.users.name(number), "interactions": end - begin, **newest}


def _history(version: Version, user: str, limit: int) -> dict[str, Any]:
    """Return what a user did, newest first, and what the Users dataset says."""
    if not user:
        raise invalid_input("userId is required.")
    histories = version.histories
    events = histories.events(user, histories.newest(user))
    newest = events[::-1][:limit]
    titled = {
        one["itemId"]: one for one in items_of(version.items, dict.fromkeys(item for *_, item in newest))
    }
    return {
        "userId": user,
        "isKnown": version.artifact.users.find(user) is not None,
        "attributes": version.user(user) or {},
        "interactions": len(events),
        "history": [{**titled[item], "eventType": kind, "timestamp": at} for at, kind, item in newest],
    }


def _items(version: Version, search: str, limit: int) -> dict[str, Any]:
    """Return items whose ids or titles have a text; without one those that most users met."""
    catalogue = version.catalogue
    if search:
        named = catalogue.find(search)
        rows = [*(() if named is None else (named,)), *catalogue.called(search, limit)]
    elif version.actions is None:
        rows = version.popular_rows[:limit].tolist()
    else:
        rows = list(range(min(limit, len(catalogue))))
    return {"items": items_of(catalogue, [catalogue.name(row) for row in dict.fromkeys(rows)][:limit])}


def items_of(catalogue: Catalogue, names: Iterable[str]) -> list[dict[str, str]]:
    """Return items with their titles and images, as far as they have some."""
    wanted: Sequence[str] = list(names)
    titles: Mapping[str, str] = catalogue.titles(wanted)
    images: Mapping[str, str] = catalogue.images(wanted)
    return [
        {
            "itemId": name,
            **({"title": titles[name]} if name in titles else {}),
            **({"image": images[name]} if name in images else {}),
        }
        for name in wanted
    ]
