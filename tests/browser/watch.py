"""Visits: a page in the browser, with everything it asked for and complained of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

from playwright.sync_api import Browser, BrowserContext, Dialog, Page

WIDTHS = (380, 1024, 1920)


class Visit(Protocol):
    """Opens a page of a site."""

    def __call__(self, path: str = ..., **settings: Any) -> Page:
        """Return the page at `path`, opened with settings of the browser's context."""


@dataclass
class Watch:
    """What pages did that were opened in the contexts of one test, at the address `base`."""

    base: str
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def strayed(self) -> list[str]:
        """The requests that left the folder."""
        inert = ("data:", "blob:", "about:")
        return [url for url in self.requests if not url.startswith((self.base, *inert))]

    def follow(self, context: BrowserContext) -> None:
        """Note what happens in `context` from now on."""
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("requestfailed", lambda one: self._complain("request", one.url))
        context.on("weberror", lambda error: self._complain("error", str(error.error)))
        context.on("console", self._console)
        context.on("dialog", self._dialog)
        context.on("response", self._response)

    def _console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self._complain("console", message.text)

    def _dialog(self, dialog: Dialog) -> None:
        self._complain("dialog", dialog.message)
        dialog.dismiss()

    def _response(self, response: Any) -> None:
        if response.status >= 400:
            self._complain(f"status {response.status}", response.url)

    def _complain(self, kind: str, text: str) -> None:
        self.complaints.append(f"{kind}: {text}")


@contextmanager
def visiting(browser: Browser, base: str) -> Iterator[tuple[Visit, Watch]]:
    """Yield what opens pages below `base`, and what they did."""
    watch = Watch(base)
    contexts: list[BrowserContext] = []

    def visit(path: str = "", **settings: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | settings)
        contexts.append(context)
        watch.follow(context)
        page = context.new_page()
        page.goto(base + path)
        return page

    try:
        yield visit, watch
    finally:
        for context in contexts:
            context.close()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Yield the address at which `folder` is served on this machine."""
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


def is_too_wide(page: Page) -> bool:
    """Return whether a reader must scroll the whole page sideways."""
    return bool(page.evaluate("document.scrollingElement.scrollWidth > window.innerWidth"))


def too_wide(page: Page) -> list[str]:
    """Return what reaches beyond the right edge without a box of its own that scrolls."""
    return list(page.evaluate(_TOO_WIDE))


def picture(page: Page, path: Path, tallest: int = 8000) -> None:
    """Save a picture of the page, as far down as Chromium can draw at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = page.evaluate("[window.innerWidth, document.scrollingElement.scrollHeight]")
    clip = {"x": 0, "y": 0, "width": width, "height": min(height, tallest)}
    page.screenshot(path=path, full_page=True, clip=clip)


def until(condition: Callable[[], bool], page: Page, seconds: float = 5) -> bool:
    """Wait until `condition` holds, handling what the browser reports meanwhile."""
    for _ in range(round(seconds * 20)):
        if condition():
            return True
        page.wait_for_timeout(50)
    return False


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


_TOO_WIDE = """() => {
  const clips = box => !["BODY", "HTML"].includes(box.tagName)
    && getComputedStyle(box).overflowX !== "visible";
  return [...document.querySelectorAll("body *")].filter(one => {
    if (one.getBoundingClientRect().right <= window.innerWidth + 1) return false;
    for (let box = one.parentElement; box; box = box.parentElement) if (clips(box)) return false;
    return true;
  }).slice(0, 5).map(one => one.outerHTML.slice(0, 120));
}"""
