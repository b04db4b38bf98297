"""``make screenshots``: every page of the console in light, dark and on a small screen, for people to look at."""

import re
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # as pytest has it

from console.addresses import EVERY
from console.browser import MISSING, chromium, show_pictures
from console.shop import Shop, open_shop
from sartor.demo.server import Server

#: What is taken: a name, the scheme of colours, and the width in pixels.
LOOKS = (("light", "light", 1280), ("dark", "dark", 1280), ("small", "light", 360), ("wide", "dark", 3840))


def main(folder: Path) -> None:
    """Take the screenshots."""
    if MISSING:
        sys.exit(f"No screenshots: {MISSING}")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as kept:
        data, bucket = Path(kept, "data"), Path(kept, "bucket")
        bucket.mkdir()
        with Server(data, {"training": bucket}, ("--for-tests", "--quotas", "off")) as server:
            _take(open_shop(server, bucket), folder)


def _take(shop: Shop, folder: Path) -> None:
    with chromium() as browser:
        for name, scheme, width in LOOKS:
            context = browser.new_context(
                base_url=shop.server.url,
                color_scheme=scheme,  # type: ignore[arg-type]
                viewport={"width": width, "height": 900},
            )
            show_pictures(context)
            page = context.new_page()
            page.goto("/console/sign-in")
            page.screenshot(path=folder / f"sign-in-{name}.png")
            page.goto(shop.link())
            page.wait_for_url("**/console/")
            for path, at, address in EVERY:
                page.goto(address(shop), wait_until="networkidle")
                word = re.sub(r"\W+", "-", path.removeprefix("/console/")).strip("-") or "home"
                page.screenshot(path=folder / f"{word}-{at}-{name}.png", full_page=True)
            context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/screenshots"))
