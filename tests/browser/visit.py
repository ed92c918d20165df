"""Look at a page as a reader does: open everything, scroll through it, note what goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

# how many charts do not come alive within two seconds of being seen
LOOK_AT_ALL = """async () => {
  let still = 0;
  for (const figure of document.querySelectorAll("figure.chart")) {
    figure.scrollIntoView({ behavior: "instant", block: "center" });
    const isAlive = () => figure.querySelector(".drawing.alive svg.marks") !== null;
    for (let i = 0; i < 200 && !isAlive(); i++) await new Promise((go) => setTimeout(go, 10));
    still += !isAlive();
  }
  scrollTo({ top: 0, behavior: "instant" });
  return still;
}"""


class Visit(NamedTuple):
    """An open page, and what it said and asked for while it was open."""

    page: Page
    messages: list[str]
    requests: list[str]

    def read_all(self) -> None:
        """Open all that is folded, look at every chart, wait until it lives."""
        self.page.click("#open-all")
        assert self.page.evaluate(LOOK_AT_ALL) == 0

    def is_cut_off(self) -> bool:
        """Return whether the page is wider than the window."""
        wide: bool = self.page.evaluate(
            "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
        return wide

    def violations(self) -> list[str]:
        """Return what axe-core finds serious or critical."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{one['id']}: {one['nodes'][0]['html'][:200]}"
            for one in found
            if one["impact"] in ("serious", "critical")
        ]


@contextmanager
def visiting(browser: Browser, file: Path, **context: Any) -> Iterator[Visit]:
    """Open a file in a window of its own; check at the end that it was quiet and asked nobody."""
    window = browser.new_context(**context)
    page = window.new_page()
    visit = Visit(page, [], [])
    page.on("console", lambda m: visit.messages.append(f"{m.type}: {m.text}"))
    page.on("pageerror", lambda error: visit.messages.append(str(error)))
    page.on("request", lambda request: visit.requests.append(request.url))
    page.goto(file.as_uri())
    yield visit
    window.close()
    assert visit.messages == []
    away = [url for url in visit.requests if not url.startswith(("file:", "data:", "blob:"))]
    assert away == []
