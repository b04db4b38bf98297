"""A job is stopped from its page: asked back first, then told to stop."""

import html

from unit.console.pages.test_site import Visitor
from unit.console.test_jobs import app, app_with_a_dataset, begun, listed
from unit.console.test_v1 import DATASET
from wire.asgi import App

__all__ = ["app", "app_with_a_dataset"]
PATH = "/console/jobs/job"


def test_a_job_is_stopped_once_its_visitor_is_sure(app: App) -> None:
    arn, visitor = begun(app, "from-its-page"), Visitor(app)
    shown = visitor.get(f"{PATH}?arn={arn}").body.decode()
    assert "sartor stop" in html.unescape(shown)
    asked = visitor.send(f"{PATH}?arn={arn}", action="stop", arn=arn)
    assert b"Stop dataset-import-job/from-its-page?" in asked.body
    assert listed(app, "search=from-its-page")["jobs"][0]["status"] == "CREATE PENDING"
    done = visitor.send(f"{PATH}?arn={arn}", action="stop", arn=arn, confirmed="yes")
    assert (done.status, done.headers["location"]) == (
        303,
        f"{PATH}?arn={arn.replace(':', '%3A').replace('/', '%2F')}",
    )
    assert listed(app, "search=from-its-page")["jobs"][0]["status"] == "CREATE FAILED"


def test_what_cannot_be_stopped_says_so_beside_its_form(app: App) -> None:
    arn, visitor = begun(app, "refused"), Visitor(app)
    page = f"{PATH}?arn={arn}"
    visitor.get(page)
    for wrong in (DATASET, "x", arn.replace("refused", "nobody")):
        refused = visitor.send(page, action="stop", arn=wrong, confirmed="yes")
        assert refused.status in (400, 404)
        assert b'role="alert"' in refused.body
    assert visitor.send(page, action="other").status == 400
    assert visitor.get(PATH).status == visitor.get(f"{PATH}?arn=x").status == 404
