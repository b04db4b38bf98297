"""Every page of the console, in one table."""

from typing import Final

from sartor.console.pages import comparing, data, data_add, events, filters, home, jobs, models, tryout
from sartor.console.pages.access import PAGES as ACCESS
from sartor.console.pages.audit import PAGES as AUDIT
from sartor.console.pages.outcomes import PAGES as OUTCOMES

#: Every page by its path.                                                               <- add a page
PAGES: Final = {
    page.path: page
    for page in (
        *home.PAGES,
        *jobs.PAGES,
        *models.PAGES,
        *comparing.PAGES,
        *tryout.PAGES,
        *filters.PAGES,
        *ACCESS,
        *AUDIT,
        *data.PAGES,
        *data_add.PAGES,
        *events.PAGES,
        *OUTCOMES,
    )
}
