"""Draws the pictures of docs/PAGES.md: ``take_pictures.py INSPECTION LATENCIES FOLDER``.

The pages are of ``ort-sparse inspect --regions`` and ``ort-sparse bench``.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

COLOURS = 64
"""Of a picture, so that it stays small."""

DESKTOP = {"viewport": {"width": 1100, "height": 760}}
PHONE = {"viewport": {"width": 390, "height": 760}, "is_mobile": True}


def take(browser, page, place, target, **options):
    """Photograph a screen of a page from an element on."""
    context = browser.new_context(**options)
    tab = context.new_page()
    tab.goto(page.resolve().as_uri())
    element = tab.locator(place).first
    element.evaluate("element => element.scrollIntoView()")
    tab.wait_for_timeout(300)
    Image.open(io.BytesIO(tab.screenshot())).convert("RGB").quantize(COLOURS).save(
        target, optimize=True
    )
    context.close()


def main(inspection, latencies, folder):
    folder.mkdir(exist_ok=True)
    program = shutil.which("chromium-headless-shell")
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        take(browser, inspection, "body", folder / "inspection.png", **DESKTOP)
        take(browser, inspection, "#layer-24", folder / "zeros.png", **DESKTOP)
        take(browser, inspection, "#regions", folder / "regions.png", **DESKTOP)
        take(browser, inspection, ".claimed li:nth-last-child(12)", folder / "graph.png", **DESKTOP)
        take(browser, inspection, "#layers", folder / "phone.png", **PHONE)
        take(browser, inspection, "#costs", folder / "dark.png", color_scheme="dark", **PHONE)
        take(browser, latencies, "#latencies", folder / "latencies.png", **DESKTOP)
        browser.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
