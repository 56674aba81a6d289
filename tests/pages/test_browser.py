"""The pages in the system's Chromium: offline, from disk, as a person opens them."""

import csv
import io
import re
import shutil
from importlib import resources
from pathlib import Path

import pytest
import studies
from matplotlib.image import imread

from reports.pages import study as pages
from reports.pages import table
from reports.read import labels
from reports.read.study import read_study
from reports.stats.ranking import rank
from tuner.system import locks

pytestmark = pytest.mark.slow

ARGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
KINDS = (
    *("5", "50", "500", "hostile", "published", "failed"),
    *("tried", "noise", "confirmed", "comparison", "alone"),
)


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    if path is None:
        pytest.fail(
            "These tests open the pages in Chromium, and no `chromium` is on the PATH. "
            "Install it (apt-get install chromium), or leave them out: -m 'not slow'."
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Write one page of each kind; return their paths by kind."""
    runs = tmp_path_factory.mktemp("runs")
    folders = {
        "1": studies.write_study(runs, "one", 1),
        "5": studies.write_study(runs, "five", 5),
        "50": studies.write_study(
            runs, "fifty", 50, failures=0.1, change=studies.shared_baseline
        ),
        "500": studies.write_study(runs, "many", 500, failures=0.05),
        "5000": studies.write_study(runs, "heap", 5000, failures=0.02),
        "hostile": studies.write_study(runs, "hostile", 8, change=studies.hostile),
        "published": studies.write_published(runs),
        "failed": studies.write_study(runs, "failed", 6, failures=1.0),
        "tried": studies.write_candidates(runs / "tried", studies.TRIED, "try", 5),
        "noise": studies.write_candidates(
            runs / "noise", {"baseline": studies.TRIED["baseline"]}, "noise", 8
        ),
        "confirmed": studies.write_study(runs, "confirmed", 12),
    }
    for name in ("confirm", "confirm-all-images"):
        studies.write_candidates(runs / "confirmed" / name, studies.TRIED, "confirm", 3)
    written = {kind: pages.write_report(folder) for kind, folder in folders.items()}
    shutil.rmtree(folders["5000"] / "trials")  # only its page is asked for
    studies.write_study(
        runs, "hyperparams", 30, space="hyperparams", change=studies.shared_baseline
    )
    written["comparison"] = pages.write_comparison(runs)
    others = tmp_path_factory.mktemp("others")
    for name in ("of-some-images", "of-other-images", "of-yet-other-images"):
        data = {**studies.DATA, "split": name}
        studies.write_study(others, name, 8, data=data)
    return {**written, "alone": pages.write_comparison(others)}


@pytest.fixture
def visit(chromium):
    """Open a page; fail at the end on any console message or other request."""
    messages, opened = [], []

    def go(path: Path, *, width=1280, **options):
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, offline=True, **options
        )
        tab = context.new_page()
        tab.on("console", lambda message: messages.append(message.text))
        tab.on("pageerror", lambda error: messages.append(str(error)))
        tab.on("dialog", lambda dialog: messages.append(f"dialog {dialog.message}"))
        tab.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((path.as_uri(), "data:", "blob:"))
                else messages.append(request.url)
            ),
        )
        tab.goto(path.as_uri())
        opened.append(context)
        return tab

    yield go
    for context in opened:
        context.close()
    assert messages == []


def axe():
    """Return axe-core's program, which checks a page for accessibility."""
    folder = resources.files("axe_playwright_python")
    return (folder / "axe.min.js").read_text(encoding="utf-8")


def column_texts(tab, index):
    return tab.eval_on_selector_all(
        "#all tbody tr", f"rows => rows.map(r => r.cells[{index}].textContent)"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_images_load_and_have_words(visit, paths, kind):
    """Every figure is drawn, and its alt text holds a number."""
    tab = visit(paths[kind])

    images = tab.eval_on_selector_all(
        "img", "all => all.map(i => [i.complete && i.naturalWidth > 0, i.alt])"
    )
    assert all(loaded and re.search(r"\d", alt) for loaded, alt in images)
    assert images or kind in {"failed", "alone"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [320, 1280])
def test_the_page_never_scrolls_sideways(visit, paths, kind, width):
    """From a phone to a screen, only tables and figures scroll in their own box."""
    tab = visit(paths[kind], width=width)

    assert tab.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("kind", ["5", "50", "500"])
def test_a_phone_sees_the_dumbbell_whole(visit, paths, kind):
    """On 320 px a narrower drawing stands in: from its labels to the gaps in view."""
    tab = visit(paths[kind], width=320)
    image = tab.locator("#overfit img").first

    assert image.bounding_box()["width"] <= 320
    wide = visit(paths[kind]).locator("#overfit img").first
    shown = [i.evaluate("i => i.naturalWidth / i.naturalHeight") for i in (image, wide)]
    assert shown[0] < shown[1]


def right_edge(tab, box):
    """Say how light the last pixels of a box are, from 0 to 1."""
    image = imread(io.BytesIO(box.screenshot()))
    return float(image[:, -6:-1, :3].mean())


@pytest.mark.parametrize(
    "what", ["#hyperparameters :not(.narrow)", "#trials", "#overfit figure"]
)
def test_a_box_that_scrolls_is_shaded_where_more_lies(visit, paths, what):
    """On a phone: until its end is reached, and never where all of it is seen."""
    tab = visit(paths["50"], width=320)
    box = tab.locator(f"{what} .scroll").first
    before = right_edge(tab, box)
    left = box.evaluate("b => { b.scrollLeft = b.scrollWidth; return b.scrollLeft; }")
    after = right_edge(tab, box)
    assert (left > 0) == (what != "#overfit figure")
    assert (before < after - 0.05) == (left > 0)


def test_the_longest_names_leave_a_phone_room_for_marks(visit, tmp_path):
    """Labels are broken into lines, and the whole figure is in view."""
    for name in (
        "a-search-of-all-that-there-is-to-vary",
        "another-search-of-half-of-it",
    ):
        studies.write_study(tmp_path, name, 6, change=studies.shared_baseline)
    tab = visit(pages.write_comparison(tmp_path), width=320)
    image = tab.locator("#best img")
    assert image.bounding_box()["width"] <= 320
    shape = image.evaluate("i => [i.naturalWidth, i.naturalHeight]")
    assert shape[0] == 400, "the drawing for phones"


@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing(visit, paths, kind):
    """No accessibility rule is broken, contrast and headings among them."""
    tab = visit(paths[kind])
    tab.evaluate(axe())

    violations = tab.evaluate("axe.run().then(r => r.violations)")
    shown = [(v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in violations]
    assert shown == []


@pytest.mark.parametrize("kind", ["50", "500", "hostile"])
def test_every_column_sorts_as_python_does(visit, paths, kind):
    """Numbers as numbers, texts by character, missing last both ways, ties stay."""
    study = read_study(paths[kind].parent)
    columns = table.trials_table(study, rank(study))
    tab = visit(paths[kind])

    for i, column in enumerate(columns):
        rows = range(len(column.data))
        known = [r for r in rows if column.data[r] is not None]
        missing = [r for r in rows if column.data[r] is None]
        up = sorted(known, key=lambda r, c=column: c.data[r]) + missing
        down = sorted(known, key=lambda r, c=column: c.data[r], reverse=True) + missing
        trial = next(c for c in columns if c.key == "trial").data
        at = [c.key for c in columns].index("trial")
        button = tab.locator("#all thead button").nth(i)
        for expected, direction in ((up, "ascending"), (down, "descending")):
            button.click()
            header = tab.locator("#all thead th").nth(i)
            assert header.get_attribute("aria-sort") == direction
            shown = [int(t.replace(",", "")) for t in column_texts(tab, at)]
            assert shown == [trial[r] for r in expected][:100], column.key


def test_the_script_writes_cells_as_python_does(visit, paths):
    """After a sort and back, every cell reads as in the static page."""
    study = read_study(paths["50"].parent)
    columns = table.trials_table(study, rank(study))
    tab = visit(paths["50"])

    for i, column in enumerate(columns):
        assert column_texts(tab, i) == table.cells(column), column.key


def test_the_filter_counts(visit, paths):
    """Words are looked for in every cell; comparisons use what is shown."""
    study = read_study(paths["500"].parent)
    columns = {c.key: c for c in table.trials_table(study, rank(study))}
    tab = visit(paths["500"])
    count = tab.locator("#count")
    assert count.text_content() == "500 trials"

    gaps = [labels.number(100 * v, 1) for v in columns["gap"].data if v is not None]
    narrow = sum(float(gap) < 10 for gap in gaps)
    tab.fill("#filter", "gap<10")
    assert count.text_content() == f"{narrow} of 500 trials"

    failed = columns["status"].data.count("failed")
    tab.fill("#filter", "status=failed")
    assert count.text_content() == f"{failed} of 500 trials"
    assert tab.locator("#all tbody tr").count() == min(failed, 100)

    both = sum(
        pooling == "average" and layers == 3
        for pooling, layers in zip(
            columns["pooling"].data, columns["conv_layers"].data, strict=True
        )
    )
    tab.fill("#filter", "AVERAGE conv_layers>=3")
    assert count.text_content() == f"{both} of 500 trials"

    tab.fill("#filter", "no such word")
    assert count.text_content() == "0 of 500 trials"


def test_a_filter_that_cannot_hold_says_why(visit, paths):
    """An unknown column, or a word in place of a number."""
    columns = table.trials_table(study := read_study(paths["50"].parent), rank(study))
    keys = ", ".join(column.key for column in columns)
    tab = visit(paths["50"])
    mistake = tab.locator("#mistake")
    assert mistake.text_content() == ""
    tab.fill("#filter", "foo=3")
    assert mistake.is_visible()
    assert mistake.text_content() == (
        f"No column is called foo. The columns are: {keys}."
    )
    tab.fill("#filter", "gap<wide")
    assert mistake.text_content() == "Compare gap with a number, not wide."
    for fine in ("gap<-99", "nothing", "status=completed"):
        tab.fill("#filter", fine)
        assert mistake.text_content() == ""
        assert not mistake.is_visible()


def test_the_table_pages(visit, paths):
    """A hundred rows a page, all trials in the end."""
    tab = visit(paths["500"])
    seen = column_texts(tab, 1)
    for _ in range(4):
        tab.click("#next")
        seen += column_texts(tab, 1)

    assert tab.locator("#where").text_content() == "Page 5 of 5"
    assert tab.locator("#next").is_disabled()
    assert sorted(map(int, seen)) == list(range(500))


def download(tab):
    with tab.expect_download() as info:
        tab.click("#csv")
    text = Path(info.value.path()).read_text(encoding="utf-8")
    return info.value.suggested_filename, list(csv.DictReader(io.StringIO(text)))


def test_verdict_row_dumbbell_and_csv_agree(visit, paths):
    """One leader, one number, wherever it stands."""
    tab = visit(paths["50"])
    name, rows = download(tab)

    lead = tab.locator("#verdict").text_content()
    trial, score = re.match(r"Trial (\d+) has .* accuracy, ([\d.]+) %", lead).groups()
    assert column_texts(tab, 1)[0] == trial
    assert column_texts(tab, 3)[0] == score
    alt = tab.locator("#overfit img").first.get_attribute("alt")
    assert f"First row, trial {trial}:" in alt
    assert name == "fifty.csv"
    assert len(rows) == 50
    assert rows[0]["trial"] == trial
    assert labels.percent(float(rows[0]["val_accuracy"])) == f"{score} %"
    gap = float(rows[0]["train_accuracy"]) - float(rows[0]["test_accuracy"])
    assert float(rows[0]["gap"]) == pytest.approx(gap, abs=1e-6)
    assert f"gap {labels.gap(gap)} points" in alt


def test_hostile_texts_stay_text(visit, paths):
    """Markup is shown as it is written, and a spreadsheet runs no formula."""
    tab = visit(paths["hostile"])
    _, rows = download(tab)

    shown = tab.locator("#all").text_content()
    assert '<script>alert("name")</script>' in shown
    assert "</script><script>alert(1)</script>" in shown
    assert "<img src=x onerror=alert(1)> $" in tab.locator("#failed").text_content()
    names = {row["trial"]: row["name"] for row in rows}
    assert names["1"] == '<script>alert("name")</script>'
    assert names["2"] == '\'=1+1,"x"\n'


def test_without_javascript_it_still_reads(visit, paths):
    """Verdict, figures and the first hundred rows need no program."""
    tab = visit(paths["500"], java_script_enabled=False)

    assert tab.locator("#verdict").is_visible()
    assert tab.locator("#all tbody tr").count() == 100
    assert tab.locator("text=Showing the first 100 of 500").is_visible()
    assert not tab.locator("#csv").is_visible()


def test_it_prints(visit, paths):
    """On paper the figures and the table are there and the controls are not."""
    tab = visit(paths["50"])
    tab.emulate_media(media="print")

    assert not tab.locator("#filter").is_visible()
    assert tab.locator("#overfit img").first.is_visible()
    assert tab.locator("#all tbody tr").count() == 50
    assert len(tab.pdf()) > 10_000


def test_five_thousand_trials_are_usable(visit, paths):
    """Loaded within 2 s, sorted within 300 ms, on this machine with room to spare."""
    tab = visit(paths["5000"])

    loaded = tab.evaluate("performance.getEntriesByType('navigation')[0].duration")
    took = tab.evaluate(
        "() => { const b = document.querySelectorAll('#all thead button')[4];"
        " const t = performance.now(); b.click(); document.body.offsetHeight;"
        " return performance.now() - t; }"
    )
    assert loaded < 4000
    assert took < 600


def test_a_reload_keeps_what_the_reader_set(visit, paths, tmp_path):
    """While the search runs, filter and order outlive the page."""
    folder = studies.write_study(tmp_path, n=12, state="running")
    with locks.hold(folder):
        path = pages.write_report(folder)
    tab = visit(path)
    tab.fill("#filter", "completed")
    tab.locator("#all thead button").nth(1).click()
    tab.evaluate("document.activeElement.blur()")
    with tab.expect_navigation(timeout=15_000):
        pass

    assert tab.input_value("#filter") == "completed"
    assert column_texts(tab, 1) == [str(i) for i in range(12)]


def test_the_comparison_links_to_each_page(visit, paths):
    """Every study in the table leads to its own report."""
    tab = visit(paths["comparison"])

    for link in tab.locator("a").all():
        target = link.evaluate("a => decodeURIComponent(new URL(a.href).pathname)")
        assert Path(target).name == "report.html"
    shown = tab.locator("#best img").get_attribute("alt")
    assert re.search(r"\d\d\.\d", shown)
