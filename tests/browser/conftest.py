"""A real browser, and pages opened in it that must load nothing and say nothing."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium-headless-shell")
    if program is None:
        pytest.skip("chromium-headless-shell is absent; tests/browser/install.sh brings it")
    with playwright.sync_playwright() as running:
        # Debian's may run as root, as in containers, only without its sandbox.
        found = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Open a page from its file; what it says or asks for besides fails the test."""
    contexts, complaints, requests = [], [], []

    def open_page(page, **options):
        file = tmp_path / f"page{len(contexts)}.html"
        file.write_bytes(page)
        context = browser.new_context(**options)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("dialog", lambda dialog: complaints.append(dialog.message))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(file.as_uri())
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert all(url.startswith(("data:image/png;", "file:///")) for url in requests)
    assert sum(url.startswith("file:") for url in requests) == len(contexts)
