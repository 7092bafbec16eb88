"""Pages in a real browser: nothing fails, sorting and filtering work, names do nothing."""

from __future__ import annotations

import numpy as np
import pytest
from report.page_models import HOSTILE, bench_page, chain, inspect_page, regions_report

PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}

MOST_SECONDS = 1.0
"""Of the processor, which other processes do not change much; wall time they do."""


@pytest.fixture(scope="module")
def inspection(tmp_path_factory):
    path = tmp_path_factory.mktemp("inspection") / "model.onnx"
    model = chain(12, channels=64)
    return inspect_page(path, model, regions=regions_report())


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    path = tmp_path_factory.mktemp("benchmark") / "model.onnx"
    return bench_page(path, names=[f"layer{i}" for i in range(8)])


def column(tab, heading, table="layers"):
    """Return the texts of a column of the rows that can be seen, in their order."""
    return tab.eval_on_selector_all(
        f'table[aria-label="{table}"] td[data-label="{heading}"]',
        "cells => cells.filter(c => c.offsetParent).map(c => c.textContent)",
    )


LOADED = "[...document.images].filter(i => i.complete && i.naturalWidth > 0).length"


def numbers(texts):
    return [float(text.rstrip("%x")) for text in texts]


def heading(tab, name, table="layers"):
    return tab.get_by_role("table", name=table, exact=True).get_by_role(
        "columnheader", name=name, exact=True
    )


def test_a_click_sorts_and_another_turns_round(opened, inspection):
    tab = opened(inspection)
    before = column(tab, "no.")
    assert numbers(before) == list(range(1, 13))
    zeros = heading(tab, "zeros")
    assert zeros.get_attribute("aria-sort") is None
    zeros.get_by_role("button").click()
    values = numbers(column(tab, "zeros"))
    assert values == sorted(values)
    assert values[0] < values[-1]
    assert zeros.get_attribute("aria-sort") == "ascending"
    zeros.get_by_role("button").click()
    assert numbers(column(tab, "zeros")) == sorted(values, reverse=True)
    assert zeros.get_attribute("aria-sort") == "descending"
    names = heading(tab, "layer")
    names.get_by_role("button").press("Enter")
    assert zeros.get_attribute("aria-sort") is None
    found = column(tab, "layer")
    assert found[:3] == ["block0/conv0", "block0/conv1", "block0/conv2"]
    assert found[-2:] == ["block3/conv10", "block3/conv11"]  # 10 after 9
    heading(tab, "no.").get_by_role("button").click()
    assert column(tab, "no.") == before


def test_what_is_unknown_is_last_in_both_directions(opened, inspection):
    tab = opened(inspection)
    button = heading(tab, "custom ops, us", "regions").get_by_role("button")
    for _ in range(2):
        button.click()
        assert column(tab, "custom ops, us", "regions") == ["180.0", "?"]


def test_filters_hide_rows(opened, inspection):
    tab = opened(inspection)
    box = tab.get_by_label("Filter layers")
    count = tab.locator("#layers output")
    assert count.inner_text() == "12 of 12"
    box.fill("BLOCK1 conv")
    assert column(tab, "layer") == ["block1/conv3", "block1/conv4", "block1/conv5"]
    assert count.inner_text() == "3 of 12"
    box.press("Enter")  # which would send a form
    box.fill("none has this")
    assert column(tab, "layer") == []
    box.fill("")
    assert len(column(tab, "layer")) == 12


def test_a_filter_by_state_and_one_by_words_count_together(opened, benchmark):
    tab = opened(benchmark)
    tab.locator("#latencies select").select_option("custom ops")
    assert column(tab, "engine", "latencies") == ["custom ops"] * 4
    tab.get_by_label("Filter latencies").fill("2")
    assert 0 < len(column(tab, "engine", "latencies")) <= 4
    ratios = numbers(column(tab, "speed-up", "latencies"))
    assert all(1.5 < ratio < 4 for ratio in ratios)


def test_a_number_leads_to_the_picture_of_the_layer(opened, inspection):
    tab = opened(inspection)
    tab.get_by_role("link", name="7", exact=True).click()
    card = tab.locator("article:target")
    assert "block2/conv6" in card.inner_text()
    sizes = card.locator("img").evaluate_all("all => all.map(i => [i.complete, i.naturalWidth])")
    assert [complete for complete, _ in sizes] == [True, True]
    assert all(width > 0 for _, width in sizes)


def test_all_pictures_and_charts_are_there(opened, inspection):
    tab = opened(inspection)
    pictures = tab.locator("img")
    assert pictures.count() == 24
    assert tab.evaluate(LOADED) < 24  # a page opens before what nobody sees yet
    for i in range(24):
        pictures.nth(i).scroll_into_view_if_needed()
    tab.wait_for_function(f"{LOADED} === 24")
    charts = tab.locator("#costs svg")
    assert charts.count() == 3
    for i in range(3):
        box = charts.nth(i).bounding_box()
        assert box["width"] > 200
        assert box["height"] > 80


def test_regions_fold(opened, inspection):
    tab = opened(inspection)
    line = tab.locator(".segment li", has_text="Add")
    assert line.is_visible()
    tab.locator(".segment summary", has_text="Region 0").click()
    assert not line.is_visible()
    assert tab.locator(".segment.claimed rect.node").count() == 4


def test_hostile_names_do_nothing(opened, tmp_path):
    names = HOSTILE
    page = inspect_page(tmp_path / "m.onnx", chain(9, names=names), regions=regions_report(names))
    for each in (page, bench_page(tmp_path / "m.onnx", names=names)):
        tab = opened(each)
        for element in tab.locator("#layers td.name").all():
            element.hover()
        tab.locator("#layers input").first.fill("<script>window.owned")
        tab.locator("#layers th button", has_text="layer").first.click()
        tab.wait_for_timeout(200)
        assert tab.evaluate("typeof window.owned") == "undefined"
        assert "<script>window.owned = 1</script>" in tab.inner_text("#layers")


def test_the_policy_stops_what_would_get_through(browser, tmp_path):
    """A name that were shown as it is could still do nothing."""
    page = bench_page(tmp_path / "m.onnx", names=["INSERTED"])
    page = page.replace(b"INSERTED", HOSTILE[0].encode() + HOSTILE[1].encode())
    file = tmp_path / "page.html"
    file.write_bytes(page)
    tab = browser.new_page()
    messages = []
    tab.on("console", lambda message: messages.append(message.text))
    tab.goto(file.as_uri())
    tab.wait_for_timeout(200)
    assert tab.evaluate("typeof window.owned") == "undefined"
    assert any("Content Security Policy" in message for message in messages)
    tab.close()


def test_three_hundred_layers_open_in_a_second(browser, opened, tmp_path):
    page = inspect_page(tmp_path / "m.onnx", chain(300, channels=96))
    assert len(page) < 4e6
    opened(page)  # the browser has started all of its parts then
    context = browser.new_context()
    tab = context.new_page()
    session = context.new_cdp_session(tab)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    tab.goto((tmp_path / "page0.html").as_uri())
    metrics = session.send("Performance.getMetrics")["metrics"]
    seconds = {metric["name"]: metric["value"] for metric in metrics}["TaskDuration"]
    assert 0 < seconds < MOST_SECONDS
    assert len(column(tab, "no.")) == 300
    heads, cells = tab.eval_on_selector_all(
        "#layers tr:first-child",
        "rows => rows.map(r => Array.from(r.cells, c => c.getBoundingClientRect().left))",
    )
    assert heads == pytest.approx(cells, abs=1)
    heading(tab, "zeros").get_by_role("button").click()
    values = numbers(column(tab, "zeros"))
    assert values == sorted(values)
    context.close()


@pytest.mark.parametrize("name", ["inspection", "benchmark"])
def test_on_a_phone_nothing_is_wider_than_the_screen(opened, request, name):
    tab = opened(request.getfixturevalue(name), **PHONE)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    for text in tab.locator("main svg text").all()[:3]:
        assert text.bounding_box()["height"] >= 8
    assert tab.get_by_role("button", name="layer", exact=True).first.is_visible()


@pytest.mark.parametrize("width", [970, 1100, 1900])
@pytest.mark.parametrize("name", ["inspection", "benchmark"])
def test_on_a_desk_no_table_is_cut_off(opened, request, name, width):
    tab = opened(request.getfixturevalue(name), viewport={"width": width, "height": 800})
    assert tab.locator("section").count() >= 2
    for section in tab.locator("section").all():
        section.scroll_into_view_if_needed()
        assert section.evaluate("section => section.scrollWidth - section.clientWidth") <= 0


def test_hostile_names_are_not_wider_than_a_phone(opened, tmp_path):
    names = ("W" * 500, HOSTILE[0])
    page = inspect_page(tmp_path / "m.onnx", chain(6, names=names), regions=regions_report(names))
    assert opened(page, **PHONE).evaluate("document.documentElement.scrollWidth") <= 360


def luminance(colour):
    """Return the relative luminance of ``rgb(r, g, b)``, as WCAG 2 defines it."""
    channels = np.array([int(part) for part in colour[4:-1].split(",")]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(a, b):
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


STYLE = "(element, key) => getComputedStyle(element)[key]"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_in_each_scheme_and_without_colours(opened, inspection, scheme):
    tab = opened(inspection, color_scheme=scheme)

    def style(selector, key):
        return tab.locator(selector).first.evaluate(STYLE, key)

    paper = style("body", "backgroundColor")
    assert (luminance(paper) < 0.1) == (scheme == "dark")
    for selector in ("body", ".note", "figcaption", "td a", "dt"):
        assert contrast(style(selector, "color"), paper) >= 4.5
    assert contrast(style(".chart text", "fill"), paper) >= 4.5
    dark, light = style("#costs .fill-after", "fill"), style("#costs .fill-before", "fill")
    assert contrast(dark, light) >= 3  # what is grey to some differs all the same
    assert contrast(dark, paper) >= 3


def test_what_is_printed_is_whole(opened, inspection):
    tab = opened(inspection, color_scheme="dark")
    tab.emulate_media(media="print", color_scheme="dark")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert luminance(tab.locator("body").evaluate(STYLE, "color")) < 0.1
    assert tab.locator("article").last.evaluate(STYLE, "contentVisibility") == "visible"
    assert not tab.locator("form.filter").first.is_visible()
    assert all(tab.locator("details").evaluate_all("all => all.map(each => each.open)"))
    assert tab.pdf().startswith(b"%PDF")


def test_without_scripts_everything_can_be_read(opened, inspection):
    tab = opened(inspection, java_script_enabled=False)
    assert tab.locator("#layers tbody tr").count() == 12
    assert not tab.locator("form.filter").first.is_visible()
    assert tab.locator("#layers button").count() == 0
