"""Whatever names hold: terminals obey nothing of it, spreadsheets compute nothing of it."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.progress import Progress, TextColumn
from rich.text import Text

from hostile import CONTROLS, FORMULAS, HOSTILE, NAMES, OBEYED
from lab.fakes import fake_costs, fake_plan, fake_result
from neurovisionlab.cli.app import main
from neurovisionlab.core.records import Failure
from neurovisionlab.lab.judgements import Conclusions
from neurovisionlab.lab.results import read
from neurovisionlab.lab.store import Store
from neurovisionlab.out.csv_cells import from_csv, in_csv
from neurovisionlab.out.exports import write_exports
from neurovisionlab.out.neutral import echo, in_one_line, neutral, neutral_console
from neurovisionlab.out.screen import show_table
from neurovisionlab.out.tables import Table, to_csv


def is_obeyed(text: str) -> bool:
    return any(
        letter in OBEYED or unicodedata.category(letter) in ("Cc", "Zl", "Zp")
        for letter in text.replace("\n", "").replace("\t", "")
    )


@given(st.text())
def test_nothing_is_obeyed_and_nothing_is_lost(text: str) -> None:
    shown = neutral(text)
    assert not is_obeyed(shown)
    assert neutral(shown) == shown
    assert "\n" not in in_one_line(text)
    if not is_obeyed(text):
        assert shown == text


@pytest.mark.parametrize("text", CONTROLS)
def test_controls_are_written_out(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    echo(text)
    echo(text, err=True)
    out, err = capsys.readouterr()
    assert out == err
    assert not is_obeyed(out)
    assert "\\x" in out or "\\u" in out


def _printed(what: object, terminal: bool = True) -> str:
    file = io.StringIO()
    console = neutral_console(file=file, force_terminal=terminal, width=200)
    if isinstance(what, Table):
        show_table(what, console)
    else:
        console.print(what, style="bold red", markup=False)
    return file.getvalue()


# how this program itself styles, and nothing else
_OWN = re.compile("\x1b\\[[0-9;]*m")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_console_obeys_itself_alone(text: str) -> None:
    table = Table(title=text, columns=(text, text), rows=((text, text),), notes=(text,))
    for what in (text, Text(text), table):
        styled, plain = _printed(what), _printed(what, terminal=False)
        assert not is_obeyed(plain)
        assert _OWN.sub("", styled) == plain
        assert _OWN.search(styled)
        assert not is_obeyed(_OWN.sub("", styled))


def test_bars_still_move_and_names_beside_them_do_not() -> None:
    file = io.StringIO()
    console = neutral_console(file=file, force_terminal=True, width=80)
    with Progress(TextColumn("{task.description}"), console=console) as bars:
        bars.add_task(CONTROLS[1], total=1)
        bars.refresh()
    told = file.getvalue()
    assert "\x1b[?25l" in told  # the cursor is hidden: rich's own
    assert "\x1b]0;" not in told
    assert "\\x1b]0;t" in told  # cut where the line ends


def test_names_are_no_markup_and_no_pictures_of_faces() -> None:
    for text in ("[bold red]x[/bold red]", "[/]", ":warning:", "[link=http://example.org]x[/link]"):
        assert text in _printed(Table(title="t", columns=("c",), rows=((text,),)), terminal=False)


# CSV


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_are_marked_as_text(text: str) -> None:
    content = to_csv([SimpleNamespace(model=text, nll=-0.5)], ("model", "nll"))
    ((model, nll),) = list(csv.reader(io.StringIO(content, newline="")))[1:]
    for separator in ",;\t":
        for row in csv.reader(io.StringIO(content, newline=""), delimiter=separator):
            for cell in row:
                assert not re.match('[\\s"]*[=+@\uff1d\uff0b\uff0d\uff20]', cell), content
    assert nll == "-0.5"
    if not text.startswith(("x", "\r")):
        assert model.startswith("'")
        assert from_csv(model) == neutral(text) or set(text) & set("\t\n\r")


@pytest.mark.parametrize(
    "value", [-0.5, 3, None, "-0.5", "+1e-3", "vit-tiny", "a=b", "a - b", "'x'"]
)
def test_what_is_no_formula_stays_as_it_is(value: object) -> None:
    assert in_csv(value) == value


@given(st.text())
def test_a_marked_cell_can_be_read_back(text: str) -> None:
    if not set(text) & set(";\t\n"):
        assert from_csv(str(in_csv(text))) == neutral(text)


# a whole run


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return a stranger's run: hostile wherever a name or a message may stand."""
    plan = fake_plan(
        class_names=(*HOSTILE[:4], *CONTROLS[::2]),
        datasets=(NAMES[0], "npz:\u202egpj"),
        models=("=1+1", "@SUM(1)", "\u202egpj.exe[/]"),
        seeds=(0,),
        description="\x1b]0;title\x07",
    )
    notes = ("note \x1b[2J", "\u202enote")
    plan = plan.changed(
        infos=tuple(
            (ref, info.changed(notes=notes, source=CONTROLS[0])) for ref, info in plan.infos
        )
    )
    made = Store(tmp_path_factory.mktemp("run"))
    with made.writing():
        made.keep_plan(plan)
        for number, cell in enumerate(plan.cells()):
            if number == 0:
                made.put_failure(_failure(cell.cell_id))
                continue
            made.put(fake_result(cell, skill=number % 3))
            made.put_costs(fake_costs(cell, energy_note=CONTROLS[2], does_not_fit=CONTROLS[3]))
    return made


def _failure(cell_id: str) -> Failure:
    return Failure(
        cell_id=cell_id,
        kind="Error\x1b[2J",
        message="".join(CONTROLS),
        traceback="\x1b[2J",
        is_user_error=False,
        failed_at="2026-01-01T00:00:00+00:00",
    )


@pytest.mark.parametrize(
    "words", ["status", "results", "results --json", "results --csv", "verdicts", "advise"]
)
def test_commands_print_names_and_obey_none(
    store: Store, words: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command, *options = words.split()
    monkeypatch.setattr("sys.argv", ["nvl", command, str(store.root), *options])
    (store.root / "report.html").write_text("")  # results would write it
    with pytest.raises(SystemExit) as end:
        main()
    told = capfd.readouterr()
    assert end.value.code == 0, told.err
    assert not is_obeyed(told.out + told.err)


def test_errors_print_names_and_obey_none(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in CONTROLS:
        study = tmp_path / "study.toml"
        quoted = "".join(f"\\U{ord(letter):08x}" for letter in text)
        study.write_text(f'name = "{quoted}"\ndatasets = ["{quoted}"]\nmodels = ["{quoted}"]\n')
        for words in (
            ["run", str(study)],
            ["data", "info", text.replace("\0", "")],
            ["status", text.replace("\0", "")],
        ):
            monkeypatch.setattr("sys.argv", ["nvl", *words])
            with pytest.raises(SystemExit) as end:
                main()
            told = capfd.readouterr()
            assert end.value.code == 2
            assert not is_obeyed(told.out + told.err), (words, told.err)


def test_data_info_and_audit_print_names_and_obey_none(
    tmp_path: Path,
    tiny_npz: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import numpy as np

    for part in ("train", "test"):
        with np.load(tiny_npz / f"{part}.npz") as arrays:
            content = dict(arrays)
        num = int(content["labels"].max()) + 1
        content["class_names"] = np.array([f"{number}\x1b[2J\u202e\nx" for number in range(num)])
        np.savez(tiny_npz / f"{part}.npz", **content)
    for command in ("info", "audit"):
        monkeypatch.setattr("sys.argv", ["nvl", "data", command, f"npz:{tiny_npz}"])
        with pytest.raises(SystemExit) as end:
            main()
        told = capfd.readouterr()
        assert end.value.code == 0, told.err
        assert not is_obeyed(told.out + told.err)
        assert "0\\x1b[2J\\u202e\\x0ax" in told.out


def test_exports_hold_no_formula_and_no_control(store: Store) -> None:
    write_exports(store, Conclusions(read(store)))
    rows = list(csv.reader((store.root / "results.csv").open(encoding="utf-8", newline="")))
    assert len(rows) > 10
    models = {row[3] for row in rows[1:]}
    assert {"'=1+1", "'@SUM(1)"} <= models
    for row in rows:
        for cell in row:
            assert not re.match("[=@+\uff1d]", cell)
    tex = (store.root / "tables.tex").read_text("utf-8")
    text = (store.root / "report.md").read_text("utf-8")
    assert not is_obeyed(tex)
    assert not is_obeyed(text)
    assert "<script" not in text
    for path in (store.root / "figures").glob("*.svg"):
        svg = path.read_text("utf-8")
        assert "<script" not in svg.lower()
        assert not set(svg) & set("\u202e\u2066\x1b\x07")
