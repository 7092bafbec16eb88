"""Pages as text: what they say, and that names in them are nothing but text."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import sys
from html.parser import HTMLParser

import numpy as np
import onnx
import pytest
from PIL import Image
from report.page_models import HOSTILE, bench_page, chain, inspect_page, regions_report

from ort_sparse.bcsr import BlockCSR
from ort_sparse.errors import InvalidArgumentError, MissingDependencyError
from ort_sparse.regions import parse_regions
from ort_sparse.report.html import charts, pictures
from ort_sparse.report.html.page import check_page
from ort_sparse.report.html.regions import MOST_LANES, draw_graph


class Reader(HTMLParser):
    """What a page consists of."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], []
        self.contents, self.inside = {"script": [], "style": []}, ""
        self.feed(page.decode())
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.inside = tag
        self.attributes += [(tag, key, value or "") for key, value in attrs]

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside in self.contents:
            self.contents[self.inside].append(data)
        self.texts.append(data)

    def values(self, name):
        return [value for _, key, value in self.attributes if key == name]


def shapes_of(page):
    """Return the tags of a page with their attributes' names, in order."""
    return [*Reader(page).tags], {(tag, key) for tag, key, _ in Reader(page).attributes}


def plain_names(count):
    return tuple(f"name{i}" for i in range(count))


def test_hostile_names_change_no_tag_of_an_inspection(tmp_path):
    def page(names):
        model = chain(9, names=names)
        return inspect_page(tmp_path / "m.onnx", model, regions=regions_report(names))

    hostile, plain = page(HOSTILE), page(plain_names(len(HOSTILE)))
    assert len(re.findall(b"<script", hostile)) == 1
    # A name of several lines, or of none that can be seen, may be a paragraph more or fewer.
    tags = [Reader(each).tags for each in (hostile, plain)]
    for found in tags:
        found[:] = [tag for tag in found if tag not in ("p", "bdi")]
    assert tags[0] == tags[1]
    assert shapes_of(hostile)[1] == shapes_of(plain)[1]
    text = "".join(Reader(hostile).texts)
    assert "<script>window.owned = 1</script>0" in text
    assert "{{ 7 * 7 }}" in text
    assert r"\u202egpj.exe \x1b[2J\x00" in text
    assert "\u202e" not in text


def test_hostile_names_change_no_tag_of_a_benchmark(tmp_path):
    hostile = bench_page(tmp_path / "m.onnx", names=HOSTILE)
    plain = bench_page(tmp_path / "m.onnx", names=plain_names(len(HOSTILE)))
    assert shapes_of(hostile) == shapes_of(plain)


def test_the_name_of_a_file_is_text_too(tmp_path):
    path = tmp_path / "<img src=x onerror=alert(1)>\udcff.onnx"
    page = Reader(bench_page(path))
    assert "img" not in page.tags
    assert r"<img src=x onerror=alert(1)>\udcff.onnx" in "".join(page.texts)


def test_long_names_are_cut(tmp_path):
    page = bench_page(tmp_path / "m.onnx", names=["a" * 100_000 + "z"])
    assert len(page) < 200_000
    assert b"aaa\xe2\x80\xa6aaa" in page


@pytest.mark.parametrize("make", [inspect_page, bench_page])
def test_a_page_allows_its_own_script_and_style_only(tmp_path, make):
    models = (chain(3),) if make is inspect_page else ()
    page = Reader(make(tmp_path / "m.onnx", *models))
    (policy,) = [value for value in page.values("content") if "default-src" in value]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    for kind in ("script", "style"):
        digest = hashlib.sha256("".join(page.contents[kind]).encode()).digest()
        assert rules[f"{kind}-src"] == f"'sha256-{base64.b64encode(digest).decode()}'"
    assert not page.values("style")  # the policy would not let them count
    assert not [key for _, key, _ in page.attributes if key.startswith("on")]
    for key in ("src", "href"):
        assert all(value.startswith(("data:image/png", "#")) for value in page.values(key))


def test_every_reference_of_a_page_leads_somewhere(tmp_path):
    page = Reader(inspect_page(tmp_path / "m.onnx", chain(5)))
    identifiers = page.values("id")
    assert len(set(identifiers)) == len(identifiers)
    wanted = {value.removeprefix("#") for value in page.values("href")}
    wanted |= {
        name for _, _, value in page.attributes for name in re.findall(r"url\(#(.*?)\)", value)
    }
    assert wanted <= set(identifiers)
    assert {f"layer-{i}" for i in range(1, 6)} <= wanted


def test_an_inspection_says_what_the_model_is(tmp_path):
    path = tmp_path / "m.onnx"
    text = " ".join(" ".join(Reader(inspect_page(path, chain(3))).texts).split())
    assert hashlib.sha256(path.read_bytes()).hexdigest() in text
    for expected in (
        "float, n x 32 x 14 x 14",
        "6 nodes of 2 operators",
        "ai.onnx 17",
        "block0/conv1",
        "ort-sparse inspect m.onnx",
        "1x1 and fully connected layers",
    ):
        assert expected in text


def test_layers_left_dense_have_pictures_as_well(tmp_path):
    page = Reader(inspect_page(tmp_path / "m.onnx", chain(2, channels=16, zeros=0.5)))
    text = " ".join(" ".join(page.texts).split())
    assert "stays dense" in text
    assert page.tags.count("article") == 1  # the other has fewer zeros


def test_a_model_without_such_layers_has_a_page(tmp_path, dense):
    model = onnx.load(dense)
    del model.graph.node[:]
    model.graph.node.append(onnx.helper.make_node("Relu", ["x"], ["y"]))
    del model.graph.initializer[:]
    model.graph.output[0].CopyFrom(model.graph.input[0])
    model.graph.output[0].name = "y"
    text = " ".join(Reader(inspect_page(tmp_path / "m.onnx", model)).texts)
    assert "no 1x1 or fully connected layer" in text


def test_regions_say_why_their_borders_are_there(tmp_path):
    page = Reader(inspect_page(tmp_path / "m.onnx", chain(1), regions=regions_report()))
    text = " ".join(" ".join(page.texts).split())
    assert "Region 0 , claimed; 4 nodes" in text
    assert "1 node in no region: no such operator" in text
    assert "left to ONNX Runtime: predicted 9.0 us as region, 8.0 us dense" in text
    assert "310.2" in text  # the cost dense
    assert "chains of 2 layers run depth first" in text


def pixels_of(image):
    data = base64.b64decode(image.url.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)).convert("L"))


def test_a_detail_shows_weights_and_blocks():
    dense = np.zeros((8, 6), np.float32)
    dense[0, 0] = dense[1, 0] = 1  # a full block
    dense[2, 3] = 2  # half of one: its other weight is a stored zero
    pixels = pixels_of(pictures.detail(BlockCSR.from_dense(dense, 2)))
    size = pictures.CELL
    middle = pixels[size // 2 :: size, size // 2 :: size][:8, :6]
    expected = np.full((8, 6), 255)
    expected[dense != 0] = 0
    expected[3, 3] = 170
    np.testing.assert_array_equal(middle, expected)
    assert pixels[size, 3] == 0  # no gap inside of a block
    assert pixels[2 * size, 3] == 255  # and one after it


@pytest.mark.parametrize(
    ("shape", "block_rows"),
    [((5, 7), 5), ((96, 200), 1), ((300, 97), 4), ((1, 1), 1), ((1, 1000), 1)],
)
def test_an_overview_is_as_dark_as_the_matrix_is_full(shape, block_rows):
    dense = (np.random.default_rng(0).random(shape) < 0.3).astype(np.float32)
    image = pictures.overview(BlockCSR.from_dense(dense, block_rows))
    height, width = min(shape[0], 96), min(shape[1], 96)
    shares = np.zeros((height, width))
    for row in range(height):
        rows = [i for i in range(shape[0]) if i * height // shape[0] == row]
        for column in range(width):
            columns = [i for i in range(shape[1]) if i * width // shape[1] == column]
            shares[row, column] = dense[np.ix_(rows, columns)].mean()
    pixels = pixels_of(image)
    assert pixels.shape == shares.shape
    expected = 255 - 255 * shares / max(shares.max(), 1e-9)
    assert np.abs(pixels - expected).max() <= 255 / (pictures.LEVELS - 1)
    assert ((pixels < 255) == (shares > 0)).all()


def test_lengths_of_rows_are_counted():
    dense = np.zeros((6, 40), np.float32)
    for row, length in enumerate((0, 0, 3, 5, 5, 40)):
        dense[row, :length] = 1
    lengths = pictures.row_lengths(BlockCSR.from_dense(dense, 2))
    assert (lengths.shortest, lengths.median, lengths.longest, lengths.empty) == (0, 4.0, 40, 2)
    assert sum(bar.rows for bar in lengths.bars) == 6
    assert lengths.bars[0].rows == 2
    assert (lengths.bars[-1].first, lengths.bars[-1].rows) == (40, 1)
    assert max(bar.height for bar in lengths.bars) == pictures.BARS_HEIGHT


def test_charts_leave_gaps_and_say_what_is_beyond():
    svg = charts.layer_bars([3, None, 1], [1, None, 2], name="Time", unit="us")
    assert "style=" not in svg
    assert 'class="fill-after"' in svg
    svg = charts.distributions({"a": [1.0] * 200 + [50.0], "b": [2.0]}, name="x")
    assert "1 slower, to 50 ms" in svg


def crossings(drawing):
    """Return where values pass beside each node, and where they come and go, as lane numbers."""
    return [(line.x, line.paths) for segment in drawing.segments for line in segment.lines]


def test_a_shortcut_passes_beside_its_block():
    (graph,) = regions_report().graphs
    drawing = draw_graph(graph)
    lines = [line for segment in drawing.segments for line in segment.lines]
    assert [line.x for line in lines] == [14, 28, 28, 28, 14, 14, 14, 14, 14]
    beside = [any(path == "M14 0V26" for path in line.paths) for line in lines]
    assert beside == [False, True, True, True, False, False, False, False, False]
    assert lines[4].paths == ["M28 0C28 13 14 0 14 13", "M14 0V13", "M14 13V26"]  # the Add
    assert [(s.region and s.region.id, len(s.lines)) for s in drawing.segments] == [
        (None, 1),
        (0, 4),
        (None, 1),
        (1, 2),
        (None, 1),
    ]


def test_wide_graphs_are_drawn_in_part():
    def node(name, inputs):
        keys = ("op", "domain", "region", "reason")
        node = dict(zip(keys, ("Relu", "", None, ""), strict=True))
        return node | {"name": name, "inputs": inputs, "outputs": [name]}

    nodes = [node(f"n{i}", ["x"]) for i in range(2000)]
    nodes.append(node("all", [f"n{i}" for i in range(2000)]))
    graph = {"name": "g", "nodes": nodes, "regions": []}
    data = {"format": 1, "mode": "off", "runtime": "1", "isa": "avx2", "graphs": [graph]}
    drawing = draw_graph(parse_regions(json.dumps(data)).graphs[0])
    assert drawing.lanes_left_out == 2000 - MOST_LANES
    assert all(len(paths) <= MOST_LANES + 1 for _, paths in crossings(drawing))


def test_pages_end_in_html(tmp_path):
    check_page(tmp_path / "a.html")
    with pytest.raises(InvalidArgumentError, match=r"a\.txt: must end in \.html or \.htm"):
        check_page(tmp_path / "a.txt")


@pytest.mark.parametrize("package", ["jinja2", "matplotlib", "PIL"])
def test_pages_without_a_package_say_what_to_install(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=r"ort_sparse\[html\]"):
        check_page(tmp_path / "a.html")
