"""Every page of the console, in one table."""

from typing import Final

from sartor.console.pages import comparing, home, jobs, models

#: Every page by its path.                                                               <- add a page
PAGES: Final = {
    page.path: page
    for page in (
        *home.PAGES,
        *jobs.PAGES,
        *models.PAGES,
        *comparing.PAGES,
    )
}
