"""The report page in a real Chromium: from a file and from a server on loopback, held against axe-core."""

import base64
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mirror import Mirror
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from mnistloss.analysis.overview import Overview, build_report
from mnistloss.evaluation.hints import Hint
from mnistloss.report import html

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
AXE = Path(__file__).parent / "browser" / "node_modules" / "axe-core" / "axe.min.js"
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
PAGES = ("one", "two")

pytestmark = [
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromium-driver are not installed"),
    pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci --prefix tests/browser"),
]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page of one file, with a note and a hint, and a page of two files."""
    folder = tmp_path_factory.mktemp("pages")
    y = np.random.default_rng(5).dirichlet(np.full(10, 0.3), 1000)
    np.save(folder / "a <b>.npy", y)
    np.save(folder / "b.npy", (y + np.eye(10)[np.arange(1000) % 10]) / 2)
    found = build_report([folder / "a <b>.npy", folder / "b.npy"], dataset="mnist-5k")
    hinted = replace(found.files[0].evaluation, hints=(Hint("a-hint", "something is odd", "look at it"),))
    one = Overview((replace(found.files[0], evaluation=hinted),))
    for name, page in zip(PAGES, (html.render(one, note="A note."), html.render(found)), strict=True):
        (folder / f"{name}.html").write_text(page, "utf-8")
    return {name: folder / f"{name}.html" for name in PAGES}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """A Chromium with a home of its own, which remembers what pages log and request."""
    home = str(tmp_path_factory.mktemp("home"))
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={home}"):
        options.add_argument(flag)
    with webdriver.Chrome(options, Service(DRIVER, env={**os.environ, "HOME": home})) as driver:
        yield driver


@pytest.fixture
def chromium(browser: webdriver.Chrome) -> webdriver.Chrome:
    """The browser as it is at first: 1,200 pixels wide, light, nothing remembered."""
    look(browser)
    for kind in ("browser", "performance"):
        logged(browser, kind)
    return browser


def look(chromium: webdriver.Chrome, scheme: str = "light", width: int = 1200) -> None:
    """Let the browser be so wide, and its user prefer light or dark."""
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def show(chromium: webdriver.Chrome, url: str) -> None:
    """Open a page and wait until it is complete; `get` alone is said to, and does not on a busy machine."""
    chromium.get(url)
    WebDriverWait(chromium, 30).until(lambda _: chromium.execute_script("return document.readyState") == "complete")


def requested(chromium: webdriver.Chrome) -> list[str]:
    """What the page asked for, but for what it holds itself."""
    events = [json.loads(entry["message"])["message"] for entry in logged(chromium, "performance")]
    urls = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    return [url for url in urls if not url.startswith("data:")]


def logged(chromium: webdriver.Chrome, kind: str = "browser") -> list[dict[str, Any]]:
    """What was logged since the last look: on the console, or of what pages do."""
    return list(chromium.get_log(kind))  # type: ignore[no-untyped-call]  # selenium has no types for it


@pytest.mark.parametrize("name", PAGES)
def test_from_a_file(name: str, chromium: webdriver.Chrome, pages: dict[str, Path]) -> None:
    """Opened from a file, the page requests nothing but itself and the console stays empty."""
    show(chromium, pages[name].as_uri())
    assert requested(chromium) == [pages[name].as_uri()]
    assert logged(chromium) == []


@pytest.mark.parametrize("name", PAGES)
def test_from_a_server(name: str, chromium: webdriver.Chrome, pages: dict[str, Path], mirror: Mirror) -> None:
    """Opened from a server, one request reaches it, no icon asked for, and the console stays empty."""
    mirror.answers["/report.html"] = pages[name].read_bytes()
    show(chromium, f"{mirror.url}/report.html")
    assert requested(chromium) == [f"{mirror.url}/report.html"]
    assert mirror.requests == ["/report.html"]
    assert logged(chromium) == []


def test_policy_is_in_force(chromium: webdriver.Chrome, pages: dict[str, Path], mirror: Mirror) -> None:
    """A page to which someone adds a script, a style or a foreign picture runs, shows and requests none of it."""
    added = f'<script>document.title = "run"</script><p id="x" style="color: red">x</p><img src="{mirror.url}/x.png">'
    mirror.answers["/report.html"] = pages["one"].read_text("utf-8").replace("<main", f"{added}<main").encode()
    show(chromium, f"{mirror.url}/report.html")
    assert chromium.title != "run"
    assert chromium.find_element(By.ID, "x").value_of_css_property("color") == "rgba(27, 29, 33, 1)"
    assert mirror.requests == ["/report.html"]
    assert len(logged(chromium)) == 3


@pytest.mark.parametrize("name", PAGES)
def test_pictures_have_a_size(name: str, chromium: webdriver.Chrome, pages: dict[str, Path]) -> None:
    """Every digit is decoded, every chart has an extent, a role and a name."""
    show(chromium, pages[name].as_uri())
    images = chromium.execute_script(
        "return [...document.images].map(i => [i.complete, i.naturalWidth, i.width, i.alt])"
    )
    assert len(images) == {"one": 20, "two": 50}[name]
    assert all(image[:3] == [True, 28, 84] and "predicted" in image[3] for image in images)
    charts = chromium.find_elements(By.CSS_SELECTOR, "svg.chart")
    titles = (
        "reliability diagram: accuracy by confidence",
        "share of the examples and of the loss by cee",
        "mini-batches by mean cee",
    )
    assert len(charts) == {"one": 3, "two": 6}[name]
    assert all(chart.accessible_name.startswith(titles[place % 3]) for place, chart in enumerate(charts))
    assert all(chart.aria_role in ("img", "image") and min(chart.size.values()) > 200 for chart in charts)


def test_tables_sort(chromium: webdriver.Chrome, pages: dict[str, Path]) -> None:
    """A heading is a button: by keyboard or mouse it sorts its table by value, up and down, and says so."""
    show(chromium, pages["one"].as_uri())
    table = chromium.find_element(By.CSS_SELECTOR, "#worst1 table")
    head = table.find_elements(By.TAG_NAME, "th")[0]

    def column() -> list[int]:
        return [int(cell.text) for cell in table.find_elements(By.CSS_SELECTOR, "tbody td:first-child")]

    given = column()
    assert given != sorted(given)
    head.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    assert (head.get_attribute("aria-sort"), column()) == ("ascending", sorted(given))
    head.find_element(By.TAG_NAME, "button").click()
    assert (head.get_attribute("aria-sort"), column()) == ("descending", sorted(given, reverse=True))
    losses = table.find_elements(By.TAG_NAME, "th")[4]
    losses.find_element(By.TAG_NAME, "button").click()
    losses.find_element(By.TAG_NAME, "button").click()
    assert (head.get_attribute("aria-sort"), losses.get_attribute("aria-sort")) == (None, "descending")
    assert column() == given


def test_numbers_sort_as_numbers(chromium: webdriver.Chrome, pages: dict[str, Path]) -> None:
    """Infinite is more than any number, shares and thousands are numbers, a point is none, a dash comes last."""
    show(chromium, pages["one"].as_uri())
    column = ["-", "1,000", "infinite", "9.5%", ".", "-2", "1e-3"]
    script = """
        const table = document.querySelector("#classes1 table"), rows = table.tBodies[0].rows;
        while (rows.length > arguments[0].length) rows[0].remove();
        arguments[0].forEach((text, row) => { rows[row].cells[2].textContent = text });
        table.tHead.rows[0].cells[2].querySelector("button").click();
        return [...rows].map(row => row.cells[2].textContent);
    """
    assert chromium.execute_script(script, column) == ["-2", ".", "1e-3", "9.5%", "1,000", "infinite", "-"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 360])
@pytest.mark.parametrize("name", PAGES)
def test_accessibility(name: str, width: int, scheme: str, chromium: webdriver.Chrome, pages: dict[str, Path]) -> None:
    """axe-core finds nothing: contrast, labels, landmarks, headings, tables; wide and narrow, light and dark."""
    look(chromium, scheme, width)
    show(chromium, pages[name].as_uri())
    chromium.execute_script("for (const details of document.querySelectorAll('details')) details.open = true")
    boxes = "for (const box of document.querySelectorAll('.scroll')) box.style.background = 'none'"
    chromium.execute_script(boxes)  # behind gradients, as at their ends, no contrast is measured
    chromium.execute_script(AXE.read_text("utf-8"))
    found: dict[str, Any] = chromium.execute_async_script("axe.run().then(arguments[0])")
    problems = [
        (rule["id"], node["html"], node["failureSummary"]) for rule in found["violations"] for node in rule["nodes"]
    ]
    assert problems == []
    measured = next(rule["nodes"] for rule in found["passes"] if rule["id"] == "color-contrast")
    assert sum(node["html"].startswith(("<td", "<th")) for node in measured) > 300
    assert {"color-contrast", "image-alt", "svg-img-alt", "page-has-heading-one"} <= {r["id"] for r in found["passes"]}


def test_light_and_dark(chromium: webdriver.Chrome, pages: dict[str, Path]) -> None:
    """Paper, ink and curves follow the reader's setting, and so do the digits: ink on paper, or light on dark."""

    def colours() -> list[str]:
        wanted = (("body", "background-color"), ("body", "color"), ("img", "filter"), ('[stroke="#0b5fa5"]', "stroke"))
        return [chromium.find_element(By.CSS_SELECTOR, css).value_of_css_property(name) for css, name in wanted]

    show(chromium, pages["one"].as_uri())
    assert colours() == ["rgba(252, 252, 250, 1)", "rgba(27, 29, 33, 1)", "invert(1)", "rgb(11, 95, 165)"]
    look(chromium, "dark")
    assert colours() == ["rgba(20, 22, 26, 1)", "rgba(232, 230, 225, 1)", "none", "rgb(127, 184, 240)"]


@pytest.mark.parametrize("name", PAGES)
def test_on_a_phone(name: str, chromium: webdriver.Chrome, pages: dict[str, Path]) -> None:
    """At 360 pixels the page is no wider and charts fit; only what scrolls is a stop of the tab key, and has a name."""
    look(chromium, width=360)
    show(chromium, pages[name].as_uri())
    assert chromium.execute_script("return document.documentElement.scrollWidth") == 360
    for summary in chromium.find_elements(By.TAG_NAME, "summary"):
        summary.click()
    assert all(chart.size["width"] <= 320 for chart in chromium.find_elements(By.CSS_SELECTOR, "svg.chart"))

    def stops() -> list[bool]:
        """Of each box: whether it is a stop, which it is just where it scrolls."""
        boxes = chromium.find_elements(By.CSS_SELECTOR, ".scroll")
        script = "return arguments[0].scrollWidth > arguments[0].clientWidth"
        scrolls = [chromium.execute_script(script, box) for box in boxes]
        assert scrolls == [box.get_attribute("tabindex") == "0" for box in boxes]
        assert all(box.accessible_name for box in boxes)
        return scrolls

    assert {True, False} == set(stops())
    look(chromium, width=1200)
    WebDriverWait(chromium, 30).until(lambda _: not chromium.find_elements(By.CSS_SELECTOR, "[tabindex='0']"))
    assert not any(stops())


def test_skip_link(chromium: webdriver.Chrome, pages: dict[str, Path]) -> None:
    """The first stop of the tab key is a link past the contents, which then is seen."""
    show(chromium, pages["one"].as_uri())
    chromium.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    link = chromium.switch_to.active_element
    assert (link.text, link.rect["x"] >= 0) == ("Skip to the report", True)
    link.send_keys(Keys.ENTER)
    assert chromium.switch_to.active_element.get_attribute("id") == "main"


def test_without_scripts(chromium: webdriver.Chrome, pages: dict[str, Path]) -> None:
    """Where no script runs, all is there but the buttons that sort."""
    chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    show(chromium, pages["one"].as_uri())
    root = chromium.execute_cdp_cmd("DOM.getDocument", {})["root"]["nodeId"]

    def count(css: str) -> int:
        return len(chromium.execute_cdp_cmd("DOM.querySelectorAll", {"nodeId": root, "selector": css})["nodeIds"])

    counts = [count(css) for css in ("section", "svg.chart", "img", "table.sortable", "button")]
    chromium.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert counts == [7, 3, 20, 4, 0]


def test_print(chromium: webdriver.Chrome, pages: dict[str, Path]) -> None:
    """Printed by a reader who prefers dark, it is dark on light, on a few sheets of A4."""
    look(chromium, "dark")
    show(chromium, pages["one"].as_uri())
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", **dark})
    assert chromium.find_element(By.TAG_NAME, "body").value_of_css_property("color") == "rgba(27, 29, 33, 1)"
    assert not chromium.find_element(By.TAG_NAME, "nav").is_displayed()
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", **dark})
    printed = chromium.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69})["data"]
    assert 4 <= base64.b64decode(printed).count(b"/Type /Page\n") <= 8
