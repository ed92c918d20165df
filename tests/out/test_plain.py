"""Text in Markdown, read by a CommonMark reader: it shows what was written, and nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from hostile import HOSTILE as HOSTILE_ELSEWHERE
from lab.fakes import fake_plan, fake_result
from neurovisionlab.lab.judgements import judge_run
from neurovisionlab.lab.results import read
from neurovisionlab.lab.store import Store
from neurovisionlab.out.exports import markdown
from neurovisionlab.out.plain import in_markdown
from neurovisionlab.out.tables import Table, to_markdown

HOSTILE = (
    "*bold* **bold** _it_ __it__",
    "`code` ``code``",
    "[x](http://x.org)",
    "![x](http://x.org/x.png)",
    "[x][1] [^1] [ ] [x]",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!-- away -->",
    "<http://x.org> http://x.org www.x.org",
    "# head",
    "head #",
    "a|b\\|c\\\\|d",
    "ends with \\",
    "$x^2$ $$y$$",
    "&amp; &lt;b&gt; &#42;",
    "~~gone~~",
    "- item",
    "+ item",
    "1. item",
    "12) item",
    "---",
    "===",
    "> quoted",
    "```",
    "    indented",
    "\ttab",
    "two\nlines\r\n\r\nand\u2028more",
    "| a | b |\n|---|---|\n| c | d |",
    "[x]: http://x.org",
    "nothing odd, in 12.5 % of 3,000 (a-b)",
    "Щітка き",
    "a  \nb",
    "\\*not\\*",
)


class Read(HTMLParser):
    """Tags and text of rendered Markdown."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        """Collect what a person reads."""
        self.text += data


def words(text: str) -> str:
    return " ".join(text.split())


PLACES = {
    "{}": ["p"],
    "# {}": ["h1"],
    "## {}": ["h2"],
    "- {}": ["ul", "li"],
    "*{}*": ["p", "em"],
    "| {} |\n|---|": ["table", "thead", "tr", "th"],
}


def visible(text: str) -> str:
    """Return text without what is shown as a space: controls, directions that overrule."""
    return re.sub(
        "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", " ", text
    )


@pytest.mark.parametrize("text", [text for text in HOSTILE_ELSEWHERE if text.strip("\x7f")])
def test_what_is_hostile_elsewhere_is_text_here(text: str) -> None:
    written = in_markdown(text)
    for place, tags in PLACES.items():
        read = Read(place.format(written))
        assert words(read.text) == words(visible(text))
        assert read.tags == tags
    assert not set("<>") & set(written)  # nor to readers that know no backslash before them


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", HOSTILE)
def test_markup_is_text_wherever_it_stands(text: str, place: str) -> None:
    read = Read(place.format(in_markdown(text)))
    assert words(read.text) == words(text)
    assert read.tags == PLACES[place]


def test_a_half_of_a_character_and_a_fixed_space() -> None:
    assert in_markdown("a\ud800b") == "a b"
    assert in_markdown("95,1\u00a0%") == "95,1\u00a0%"  # as Ukrainian writes it


@given(st.text(st.characters(codec="ascii"), max_size=30) | st.text(max_size=30))
def test_any_text_is_text(text: str) -> None:
    read = Read(f"x {in_markdown(text)}")
    assert words(read.text) == words(f"x {visible(text)}")
    assert read.tags == ["p"]


@given(st.text(st.sampled_from("-+=#>*_`~|1.)(: \\[]<!&$\n"), min_size=1, max_size=8))
def test_nothing_begins_a_block(text: str) -> None:
    read = Read(f"- {in_markdown(text)}")
    assert read.tags == ["ul", "li"]
    assert words(read.text) == words(text)


@pytest.mark.parametrize("text", ["see http://x.org", "HTTPS://x.org", "www.x.org and WWW.y.org"])
def test_addresses_are_no_links_to_readers_that_look_for_them(text: str) -> None:
    written = in_markdown(text).lower()
    assert "://" not in written
    assert "www." not in written


def test_a_table_has_the_cells_it_was_given() -> None:
    rows = tuple((text, "1", text) for text in HOSTILE)
    table = Table(title="t", columns=("a|b", "*c*", "<d>"), rows=rows)
    tokens = MarkdownIt("commonmark").enable("table").parse(to_markdown(table))
    cells = [
        words("".join(child.content for child in token.children or ()))
        for token in tokens
        if token.type == "inline"
    ]
    assert cells == ["a|b", "*c*", "<d>", *(words(cell) for row in rows for cell in row)]


def test_report_md_shows_every_name_as_it_is(store_of_hostile_names: Store) -> None:
    plan = store_of_hostile_names.plan()
    notes = tuple(text for text in HOSTILE)
    tables = [Table(title=text, columns=("x",), rows=((text,),), notes=notes) for text in HOSTILE]
    judged = judge_run(read(store_of_hostile_names))
    seen = Read(markdown("*a* <b>", tables, judged))
    assert set(seen.tags) <= {
        *("h1", "h2", "ul", "li", "p", "em"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }
    assert seen.tags.count("li") >= 4
    assert seen.tags.count("em") == len(HOSTILE) ** 2
    assert seen.text.startswith("*a* <b>")
    for name in plan.infos[0][1].class_names[:2]:  # the most confused
        assert name in seen.text
    for text in HOSTILE:
        assert words(seen.text).count(words(text)) >= len(HOSTILE) + 2, text


@pytest.fixture
def store_of_hostile_names(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return a run whose classes have hostile names."""
    plan = fake_plan(class_names=HOSTILE[:3], models=("resnet18", "vit-tiny"), seeds=(0, 1, 2))
    store = Store(tmp_path_factory.mktemp("run"))
    with store.writing():
        store.keep_plan(plan)
        for cell in plan.cells():
            store.put(fake_result(cell, skill=0.5))
    return store
