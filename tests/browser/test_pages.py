"""Reports in a real browser: quiet, complete, in both languages, light, dark, printed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from browser.visit import LOOK_AT_ALL, visiting
from hostile import HOSTILE, NAMES
from lab.fakes import HOSTILE_NAMES, fake_costs, fake_plan, fake_result
from neurovisionlab.core.records import Failure
from neurovisionlab.lab.results import read
from neurovisionlab.lab.store import Store
from neurovisionlab.out.language import voice_of
from neurovisionlab.out.page.compare import compare_runs
from out.rendered import rendered

pytestmark = pytest.mark.slow

MODELS = ("resnet18", "mobilenetv2", "vit-tiny")
LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def _store(folder: Path, num_done: int | None = None, costs: bool = True, **study: object) -> Store:
    plan = fake_plan(**study)
    store = Store(folder)
    with store.writing():
        store.keep_plan(plan)
        for number, cell in enumerate(plan.cells()[:num_done]):
            store.put(fake_result(cell, skill=2.0 + number % 4))
            if costs:
                store.put_costs(fake_costs(cell))
    return store


def _page(folder: Path, html: str) -> Path:
    path = folder / "page.html"
    path.write_text(html, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the report of three data sets, models and seeds in each language."""
    folder = tmp_path_factory.mktemp("pages")
    store = _store(
        folder / "run",
        class_names=LETTERS,
        datasets=("emnist-letters", "kmnist", "digits"),
        models=MODELS,
        seeds=(0, 1, 2),
    )
    found = {}
    for code in ("en", "uk"):
        (folder / code).mkdir()
        found[code] = _page(folder / code, rendered(store, language=voice_of(code)))
    return found


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("code", ["en", "uk"])
def test_a_report_is_whole(
    browser: Browser, pages: dict[str, Path], code: str, scheme: str, width: int
) -> None:
    size = {"width": width, "height": 900}
    with visiting(browser, pages[code], viewport=size, color_scheme=scheme) as visit:
        assert visit.page.get_attribute("html", "lang") == code
        visit.read_all()
        assert not visit.is_cut_off()
        assert visit.violations() == []


def test_tables_sort_by_their_columns(browser: Browser, pages: dict[str, Path]) -> None:
    for path in pages.values():  # decimal point and decimal comma
        with visiting(browser, path) as visit:
            table = visit.page.locator("#quality-1 table.sortable").first
            heading = table.locator("thead th").nth(1)
            for direction in ("ascending", "descending"):
                heading.locator("button").click()
                assert heading.get_attribute("aria-sort") == direction
                cells = table.locator("tbody tr td:nth-child(2)").all_inner_texts()
                values = [float(cell.split()[0].replace(",", ".")) for cell in cells]
                assert values == sorted(values, reverse=direction == "descending")
            assert len(values) == len(MODELS)


def test_charts_answer_the_mouse(browser: Browser, pages: dict[str, Path]) -> None:
    size = {"width": 1440, "height": 900}
    with visiting(browser, pages["en"], viewport=size) as visit:
        visit.read_all()
        chart = visit.page.locator("#differences-1 figure.chart").first
        chart.scroll_into_view_if_needed()
        mark = chart.locator(".mark-symbol.role-mark path").first
        mark.hover(force=True)
        tooltip = visit.page.locator("#vg-tooltip-element.visible")
        tooltip.wait_for(timeout=5000)
        assert "recall" in tooltip.inner_text()
        before = chart.locator(".mark-symbol.role-mark path[opacity='0.08']").count()
        chart.locator(".role-legend-entry .role-legend-symbol path").first.click(force=True)
        visit.page.wait_for_timeout(300)
        faint = chart.locator(".mark-symbol.role-mark path[opacity='0.08']").count()
        assert (before, faint) == (0, 2 * len(LETTERS[:12]))  # two of three models are faint


def test_everything_is_open_for_print_and_folded_again(
    browser: Browser, pages: dict[str, Path], tmp_path: Path
) -> None:
    with visiting(browser, pages["en"]) as visit:
        folded = visit.page.locator(".fold:not([open])").count()
        assert folded > 5
        visit.page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
        assert visit.page.locator(".fold:not([open])").count() == 0
        visit.page.emulate_media(media="print")
        assert not visit.page.locator("nav").is_visible()
        paper = visit.page.pdf(path=tmp_path / "report.pdf", format="A4")
        assert paper.count(b"/Type /Page\n") > 5
        visit.page.evaluate("() => dispatchEvent(new Event('afterprint'))")
        assert visit.page.locator(".fold:not([open])").count() == folded


def test_without_scripts_all_is_there(browser: Browser, pages: dict[str, Path]) -> None:
    with visiting(browser, pages["en"], java_script_enabled=False) as visit:
        assert visit.page.locator("figure.chart .drawing > svg").count() > 20
        assert visit.page.locator("text=What the numbers say").is_visible()
        assert not visit.page.locator("#open-all").is_visible()


def test_the_keyboard_opens_and_sorts(browser: Browser, pages: dict[str, Path]) -> None:
    with visiting(browser, pages["en"]) as visit:
        fold = visit.page.locator("#learning-1")
        fold.locator("> summary").focus()
        visit.page.keyboard.press("Enter")
        assert fold.get_attribute("open") is not None
        button = visit.page.locator("#quality-1 thead button").first
        button.focus()
        visit.page.keyboard.press("Space")
        heading = visit.page.locator("#quality-1 thead th").first
        assert heading.get_attribute("aria-sort") == "ascending"


def test_an_address_opens_what_it_points_to(browser: Browser, pages: dict[str, Path]) -> None:
    with visiting(browser, pages["en"]) as visit:
        visit.page.goto(f"{pages['en'].as_uri()}#confidence-2")
        assert visit.page.locator("#confidence-2").get_attribute("open") is not None


STRANGE = (*HOSTILE_NAMES, "きスト", "Довгоназваний_клас_" * 12, "bell\x07")
ODD = {
    "hostile names": {
        "class_names": STRANGE,
        "models": MODELS,
    },
    "47 classes": {"class_names": tuple(f"class {n}" for n in range(47)), "seeds": (0, 1, 2)},
    "one class": {"class_names": ("only",)},
    "no finished cell": {"num_done": 0},
    "one seed": {"seeds": (0,), "models": MODELS},
    "missing measurements": {"costs": False, "models": MODELS},
    "many models": {"models": tuple(f"timm:model_{n}" for n in range(9)), "seeds": (0, 1)},
}


@pytest.mark.parametrize("name", ODD)
def test_odd_runs_have_a_correct_page(browser: Browser, tmp_path: Path, name: str) -> None:
    store = _store(tmp_path / "run", **ODD[name])  # type: ignore[arg-type]
    if name == "hostile names":
        cell_id = "<img src=x onerror=alert(1)>"
        message = "<script>document.title='hacked'</script>"
        store.put_failure(
            Failure(
                cell_id=store.plan().cells()[-1].cell_id,
                kind=cell_id,
                message=message,
                traceback="",
                is_user_error=False,
                failed_at="2026-01-01T00:00:00+00:00",
            )
        )
    path = _page(tmp_path, rendered(store, language=voice_of("uk")))
    for width in (390, 1440):
        with visiting(browser, path, viewport={"width": width, "height": 900}) as visit:
            visit.page.on("dialog", lambda dialog: visit.messages.append("a dialog"))
            visit.read_all()
            assert not visit.is_cut_off()
            assert visit.violations() == []
            assert visit.page.title() == "fake · NeuroVisionLab"


def test_runs_side_by_side(browser: Browser, tmp_path: Path) -> None:
    stores = [_store(tmp_path / name, models=MODELS, seeds=(0, 1)) for name in ("one", "two")]
    path = _page(tmp_path, compare_runs([read(one) for one in stores], voice_of("uk")))
    for width in (390, 1440):
        with visiting(browser, path, viewport={"width": width, "height": 900}) as visit:
            visit.read_all()
            assert not visit.is_cut_off()
            assert visit.violations() == []


def test_no_chart_is_cut_by_another(browser: Browser, tmp_path: Path) -> None:
    """Draw in a fresh process, whose ids begin as the page's own do; look at half of the charts."""
    store = _store(tmp_path / "run", models=MODELS, seeds=(0, 1))
    code = (
        "import sys; from pathlib import Path; from neurovisionlab.lab.store import Store; "
        "from neurovisionlab.out.page.report import write_report; "
        "write_report(Store(Path(sys.argv[1])))"
    )
    subprocess.run([sys.executable, "-c", code, str(store.root)], check=True)
    with visiting(browser, store.root / "report.html") as visit:
        assert visit.page.evaluate(LOOK_AT_ALL) > 0  # what is folded stays still
        assert visit.page.evaluate(STRAY_IDS) == []


STRAY_IDS = """() => [...document.querySelectorAll("figure.chart [clip-path], figure.chart [fill]")]
  .map((element) => [element, /url\\(.*#([^")]+)/.exec(
    element.getAttribute("clip-path") || element.getAttribute("fill"))])
  .filter(([element, found]) => found &&
    !element.closest("figure").contains(document.getElementById(found[1])))
  .map(([, found]) => found[1])"""


def test_no_name_is_more_than_a_name(browser: Browser, tmp_path: Path) -> None:
    """Every hostile string as class, model, data set or message; the mouse over every mark."""
    models = ("vit-tiny", *(name for name in NAMES if len(name) < 30))
    store = _store(
        tmp_path / "run",
        class_names=HOSTILE,
        datasets=("digits", NAMES[0]),
        models=models[:8],
        seeds=(0, 1),
        description=HOSTILE[1],
    )
    for cell, message in zip(store.plan().cells(), HOSTILE, strict=False):
        store.put_failure(_failure(cell.cell_id, message))
    path = _page(tmp_path, rendered(store))
    other = _page((tmp_path / "run"), compare_runs([read(store), read(store)]))
    for page in (path, other):
        with visiting(browser, page, viewport={"width": 1200, "height": 900}) as visit:
            title = visit.page.title()
            visit.page.evaluate("() => { window.alert = () => { document.title = 'hacked'; }; }")
            visit.read_all()
            marks = visit.page.locator("figure.chart svg.marks")
            num_hovers = 0
            for number in range(min(marks.count(), 30)):
                box = marks.nth(number).bounding_box()
                if box is None:
                    continue
                marks.nth(number).scroll_into_view_if_needed()
                box = marks.nth(number).bounding_box() or box
                for share in (0.2, 0.35, 0.5, 0.65, 0.8):
                    x, y = box["x"] + share * box["width"], box["y"] + share * box["height"]
                    visit.page.mouse.move(x, y)
                    num_hovers += 1
            assert num_hovers >= 50 or page == other
            assert visit.page.title() == title
            odd = "script[src], iframe, object, embed, a[href^='http']"
            assert visit.page.locator(f"main :is({odd})").count() == 0
            assert visit.page.evaluate(INLINE_HANDLERS) == 0


INLINE_HANDLERS = """() => [...document.querySelectorAll("*")].filter(
  (one) => [...one.attributes].some((a) => a.name.startsWith("on") || /^javascript:/i.test(a.value))
).length"""


def _failure(cell_id: str, message: str) -> Failure:
    return Failure(
        cell_id=cell_id,
        kind=message,
        message=message,
        traceback=message,
        is_user_error=False,
        failed_at="2026-01-01T00:00:00+00:00",
    )
