"""Every page of the console, in one table."""

from typing import Final

from sartor.console.pages import home, jobs

#: Every page by its path.                                                               <- add a page
PAGES: Final = {
    page.path: page
    for page in (
        *home.PAGES,
        *jobs.PAGES,
    )
}
