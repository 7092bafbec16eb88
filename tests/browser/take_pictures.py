"""Draws the pictures of docs/PAGES.md: ``take_pictures.py INSPECTION FOLDER``.

The first is a page of ``ort-sparse inspect``; the pictures of regions and of latencies are of what
the tests invent.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from report.page_models import bench_page, chain, inspect_page, regions_report

COLOURS = 64
"""Of a picture, so that it stays small."""

DESKTOP = {"viewport": {"width": 1100, "height": 760}}
PHONE = {"viewport": {"width": 390, "height": 760}, "is_mobile": True}


def take(browser, page, place, target, *, whole=False, **options):
    """Photograph a screen of a page from an element on, or the whole element."""
    context = browser.new_context(**options)
    tab = context.new_page()
    tab.goto(page.resolve().as_uri())
    element = tab.locator(place).first
    element.evaluate("element => element.scrollIntoView()")
    tab.wait_for_timeout(300)
    data = element.screenshot() if whole else tab.screenshot()
    Image.open(io.BytesIO(data)).convert("RGB").quantize(COLOURS).save(target, optimize=True)
    context.close()


def main(inspection, folder):
    folder.mkdir(exist_ok=True)
    program = shutil.which("chromium-headless-shell")
    with sync_playwright() as running, tempfile.TemporaryDirectory() as temporary:
        browser = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        example = Path(temporary, "regions.html")
        model = Path(temporary, "model.onnx")
        latencies = Path(temporary, "latencies.html")
        latencies.write_bytes(bench_page(model))
        example.write_bytes(inspect_page(model, chain(3), regions=regions_report()))
        take(browser, inspection, "body", folder / "inspection.png", **DESKTOP)
        take(browser, inspection, "#layer-24", folder / "zeros.png", **DESKTOP)
        take(browser, example, "#regions", folder / "regions.png", whole=True, **DESKTOP)
        take(browser, inspection, "#layers", folder / "phone.png", **PHONE)
        take(browser, inspection, "#costs", folder / "dark.png", color_scheme="dark", **PHONE)
        take(browser, latencies, "#latencies", folder / "latencies.png", **DESKTOP)
        browser.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
