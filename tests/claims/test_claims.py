"""A publication held to account: read, against itself, against a run."""

from __future__ import annotations

import itertools
import math
import re
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.cells import plain_info
from neurovisionlab.claims.checks import check_text
from neurovisionlab.claims.claim_verdicts import judge_claims
from neurovisionlab.claims.measured import Evidence, Measured, MeasuredGap
from neurovisionlab.claims.publication import ClaimRow, Publication
from neurovisionlab.claims.publication_file import parse_claims
from neurovisionlab.core.errors import SpecError
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.core.spec import Subset
from neurovisionlab.judge.quantities import Quantity, difference, half_unit, printed, ratio
from neurovisionlab.out.claim_lines import claims_json
from neurovisionlab.out.said import said_all, text_of

FILE = resources.files("neurovisionlab") / "publications" / "tretiakov-2025.toml"
SHIPPED = FILE.read_text(encoding="utf-8")

HEAD = """
title = "mini"
num_seeds = 1
[protocol]
batch_size = 16
epochs = 2
[implied]
image_px = 32
[datasets.A]
known_as = "letters"
related = ["npz:letters10k"]
num_classes = 3
height_px = 28
width_px = 28
channels = 1
[datasets.B]
known_as = "photos"
height_px = 28
width_px = 28
channels = 3
[models.Big]
known_as = "resnet18"
[models.Mid]
known_as = "mobilenetv2"
[models.Small]
known_as = "vit-b16"
related = ["vit-tiny"]
"""


def mini(rows: str = "", columns: str = "accuracy", claims: str = "", head: str = HEAD) -> str:
    names = ", ".join(f'"{name}"' for name in ["dataset", "model", *columns.split()])
    table = f'[[tables]]\ncolumns = [{names}]\nrows = """\n{rows}"""\n' if rows else ""
    return f"{head}\n{table}{claims}"


def claim(kind: str, **fields: Any) -> str:
    lines = {"id": "1", "text": "so it is", "kind": kind} | fields
    return "\n[[claims]]\n" + "\n".join(f"{key} = {_toml(v)}" for key, v in lines.items()) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def mistakes(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        parse_claims(text, "my.toml")
    return str(caught.value)


def text_rows(text: str) -> dict[str, ClaimRow]:
    rows = check_text(parse_claims(text))
    found = {row.id: row for row in rows}
    assert len(found) == len(rows)
    return found


# --- numbers


def test_a_printed_number_stands_for_all_that_round_to_it() -> None:
    assert printed("89.7") == Quantity(89.7, 89.65, 89.75)
    assert printed("89.70") == Quantity(89.7, 89.695, 89.705)
    assert printed("-2523") == Quantity(-2523, -2523.5, -2522.5)
    assert half_unit("2") == 0.5


@pytest.mark.parametrize("text", ["94,71", "1e3", "", "nan", "0.", ".5", "٣"])
def test_what_is_no_printed_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="decimal number"):
        printed(text)


def test_a_difference_of_wilson_intervals_is_newcombes_example() -> None:
    """Newcombe 1998 (Statistics in Medicine 17, table II, method 10): 56/70 against 48/80."""
    ends = [stats.binomtest(k, n).proportion_ci(method="wilson") for k, n in ((56, 70), (48, 80))]
    one, other = (Quantity(v, e.low, e.high) for v, e in zip((0.8, 0.6), ends, strict=True))
    gap = difference(one, other, "chance")
    assert gap.value == pytest.approx(0.2)
    assert (gap.low, gap.high) == (pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5))


def test_rounding_adds_up_at_worst() -> None:
    gap = difference(printed("94.29"), printed("89.7"), "rounding")
    assert gap.low == pytest.approx(4.535) and gap.high == pytest.approx(4.645)


@given(st.integers(1, 5000), st.integers(1, 5000), st.floats(-1, 1), st.floats(-1, 1))
def test_a_ratio_of_printed_numbers_holds_all_they_may_stand_for(
    a: int, b: int, x: float, y: float
) -> None:
    bounds = ratio(printed(f"{a}.0"), printed(f"{b}.0"), "rounding")
    assert bounds is not None and bounds.low is not None and bounds.high is not None
    true = (a + 0.05 * x) / (b + 0.05 * y)
    assert bounds.low * (1 - 1e-12) <= true <= bounds.high * (1 + 1e-12)


def test_a_ratio_needs_numbers_above_nothing() -> None:
    assert ratio(Quantity(1, 1, 1), Quantity(0, 0, 0), "chance") is None
    assert ratio(Quantity(1, 0, 2), Quantity(1, 1, 1), "chance") == Quantity(1)


# --- reading


def test_the_shipped_file_holds_both_tables_and_all_conclusions() -> None:
    publication = parse_claims(SHIPPED)
    assert len(publication.printed()) == 9 * (4 + 3)
    assert publication.printed()["SVHN", "ViT", "accuracy"] == "89.7"
    assert {claim.id[0] for claim in publication.claims} >= set("12345678")
    assert publication.settings()["batch_size"] == 64


def test_every_mistake_is_named_at_once() -> None:
    text = """
title = 3
colour = "red"
[protocol]
batch_sise = 3
epochs = "x"
val_frac = { low = 0.1 }
[datasets.A]
known_as = 3
[models.M]
[[tables]]
columns = ["dataset", "model", "acuracy"]
rows = "A|M|94,1\\nB|M|3\\nA|M"
[[references]]
dataset = "letters"
method = "x"
accuracy = 91.06
[[claims]]
id = "1"
kind = "bets"
[[claims]]
id = "1"
kind = "ratio_range"
text = ""
low = 4.1
high = "2"
models = ["M"]
base = "M"
metric = "accuracy"
[[claims]]
id = "2"
kind = "difference_range"
text = ""
low = "4.1"
high = "2"
models = ["M"]
base = "M"
metric = "accuracy"
[[claims]]
id = "3"
kind = "best"
text = ""
model = "N"
metric = "acuracy"
[[claims]]
id = "4"
kind = "advice"
text = ""
model = "M"
"""
    lines = mistakes(text).splitlines()
    assert lines[0] == "my.toml: 20 mistakes"
    for start in (
        "title: expected text, got 3",
        "colour: expected a known key",
        "protocol.batch_sise: expected a known key, got an unknown one; try batch_size",
        "protocol.epochs: expected a whole number, got 'x'; try 15",
        "protocol.val_frac: expected low and high",
        "datasets.A.known_as: expected text, got 3",
        "models.M.known_as: expected a value, got nothing",
        "tables[0].columns.acuracy: expected a known name, got 'acuracy'; try accuracy",
        "tables[0].rows, row 1, acuracy: expected a decimal number, got '94,1'; try 94.1",
        "tables[0].rows, row 2: expected a name of [datasets], got 'B'; try A",
        'tables[0].rows, row 3: expected 3 cells, got 2; try "–"',
        'references[0].accuracy: expected a number as text, to keep its digits, got 91.06; try "9',
        "claims: expected each id once, got '1' twice",
        "claims \"1\".kind: expected a kind of claim, got 'bets'; try best",
        'claims "1".low: expected a number as text, to keep its digits, got 4.1; try "4.1"',
        'claims "2": expected low <= high, got 4.1 > 2',
        "claims \"3\": expected a name of [models], got 'N'; try M",
        "claims \"3\".acuracy: expected a known name, got 'acuracy'; try accuracy",
        'claims "4": expected a case where a model is advised',
    ):
        assert any(line.strip().startswith(start) for line in lines), (start, lines)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("title = ", "expected TOML"),
        ('title = "x"', "datasets: expected at least one entry"),
        (mini(claims='claims = "x"', head="") + HEAD, r"claims: expected tables, got 'x'"),
        ('claims = ["x"]' + HEAD, "claims: expected tables, got a plain value"),
        ("tables = [3]" + HEAD, r"tables\[0\]: expected a table, got 3"),
        ('datasets = "x"\n' + HEAD.partition("[models.Big]")[2], "datasets: expected a table"),
        (HEAD.replace("batch_size = 16", "batch_size = 0"), "protocol.batch_size: expected a num"),
        (HEAD.replace("epochs = 2", "mean = [0.5]"), "protocol: expected mean and std together"),
        (mini(claims=claim("best", id=1, model="Big", metric="accuracy")), r"id: expected text"),
        (mini("A | Big", columns=""), "columns: expected at least one metric"),
    ],
)
def test_what_cannot_be_read_says_why(text: str, match: str) -> None:
    with pytest.raises(SpecError, match=match):
        parse_claims(text)


# --- the text alone


def test_the_shipped_text_flags_what_contradicts_it_and_nothing_else() -> None:
    flagged = {row.id: row for row in check_text(parse_claims(SHIPPED)) if row.is_flagged}
    assert flagged.keys() == {
        "3",  # weighted recall is accuracy
        "5b",
        "5c",
        "size",  # announced, not tabulated
        "best-known:EMNIST",
        "offset:KMNIST-EMNIST:train_memory_mib",
        "offset:KMNIST-EMNIST:test_memory_mib",
        "inputs:SVHN-KMNIST:train_memory_mib",
        "inputs:SVHN-KMNIST:test_memory_mib",
    }
    for id_, pieces in {
        "3": ["all 9 rows", "by definition"],
        "5b": ["1.87 (SVHN)", "rounds to 1.9, not 1.8", "cut off"],
        "5c": ["4.18 (SVHN)", "rounds to 4.2, not 4.1", "cut off"],
        "best-known:EMNIST": ["91.06", "emnist-letters", "95.96"],
        "offset:KMNIST-EMNIST:train_memory_mib": ["391.95 MiB", "ResNet, MobileNet, ViT"],
        "offset:KMNIST-EMNIST:test_memory_mib": ["MobileNet is 100.13 MiB off that."],
        "inputs:SVHN-KMNIST:train_memory_mib": ["24.50 MiB", "Batches of 32 come to 12.25"],
    }.items():
        assert all(piece in said_all(flagged[id_].reasons) for piece in pieces), said_all(
            flagged[id_].reasons
        )


@pytest.mark.parametrize("id_", ["1a", "1b", "2", "4a", "4b", "4c", "5a", "5d", "6a", "6b", "7a"])
def test_correct_sentences_of_the_shipped_text_agree_with_its_tables(id_: str) -> None:
    assert text_rows(SHIPPED)[id_].verdict == "consistent"


def test_the_gap_of_one_training_each_gets_its_p() -> None:
    wrong = [[994, 17806], [934, 17866]]  # 94.71 and 95.03 % of 18,800, as counts
    p = stats.chi2_contingency(wrong, correction=False).pvalue
    reason = said_all(text_rows(SHIPPED)["1a"].reasons)
    assert f"p = {p:.2f}" in reason and "18,800" in reason
    assert "p =" not in said_all(text_rows(SHIPPED)["2"].reasons)  # 5 points need no warning


TWO = "A | Big | {0}\nA | Mid | {1}\nB | Big | {2}\nB | Mid | {3}\n"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        ("0.3", "1.5", "consistent"),
        ("0.32", "1.50", "consistent"),
        ("0.3", "1.50", "consistent"),
        ("0", "2", "consistent"),
        ("0.4", "1.5", "inconsistent"),
        ("0.3", "1.6", "inconsistent"),
        ("0.30", "1.5", "inconsistent"),
    ],
)
def test_ends_of_a_range_are_held_at_their_own_precision(low: str, high: str, verdict: str) -> None:
    sentence = claim(
        "difference_range", models=["Mid"], base="Big", metric="accuracy", low=low, high=high
    )
    rows = text_rows(mini(TWO.format("94.71", "95.03", "94.29", "95.79"), claims=sentence))
    assert rows["1"].verdict == verdict
    assert text_of(rows["1"].printed) == f"{low}–{high}"


def test_coarsely_printed_tables_leave_a_range_room() -> None:
    sentence = claim(
        "difference_range", models=["Mid"], base="Big", metric="accuracy", low="1.5", high="1.5"
    )
    assert text_rows(mini(TWO.format("90", "91", "90", "92"), claims=sentence))["1"].verdict == (
        "consistent"
    )
    fine = TWO.format("90.00", "91.00", "90.00", "92.00")
    assert text_rows(mini(fine, claims=sentence))["1"].verdict == "inconsistent"


def test_a_cell_that_is_missing_leaves_a_sentence_open() -> None:
    best = claim("best", model="Mid", metric="accuracy")
    three = "A | Big | 90.1\nA | Mid | 91.2\nA | Small | –\n"
    assert text_rows(mini(three, claims=best))["1"].verdict == "cannot tell"
    assert text_rows(mini(claims=best))["1"].verdict == "cannot tell"


@pytest.mark.parametrize(
    ("kind", "fields", "verdict"),
    [
        ("best", {"model": "Mid"}, "consistent"),
        ("worst", {"model": "Small"}, "consistent"),
        ("best", {"model": "Big"}, "inconsistent"),
        ("worst", {"model": "Mid"}, "inconsistent"),
        ("order", {"models": ["Small", "Big", "Mid"], "along": "rising"}, "consistent"),
        ("order", {"models": ["Mid", "Big", "Small"], "along": "falling"}, "consistent"),
        ("order", {"models": ["Mid", "Big", "Small"], "along": "rising"}, "inconsistent"),
    ],
)
def test_superlatives_and_orders_follow_the_table(
    kind: str, fields: dict[str, Any], verdict: str
) -> None:
    rows = "A | Big | 90.1\nA | Mid | 91.2\nA | Small | 80.0\n"
    sentence = claim(kind, metric="accuracy", datasets=["A"], **fields)
    assert text_rows(mini(rows, claims=sentence))["1"].verdict == verdict


def test_least_time_is_best() -> None:
    rows = "A | Big | 10\nA | Mid | 20\nA | Small | 30\n"
    for kind, model, verdict in (
        ("best", "Big", "consistent"),
        ("worst", "Small", "consistent"),
        ("best", "Small", "inconsistent"),
    ):
        sentence = claim(kind, model=model, metric="train_time_s", datasets=["A"])
        assert text_rows(mini(rows, "train_time_s", sentence))["1"].verdict == verdict


def test_equal_digits_do_not_make_a_best() -> None:
    rows = "A | Big | 90.1\nA | Mid | 90.1\nA | Small | 80.0\n"
    sentence = claim("best", model="Big", metric="accuracy", datasets=["A"])
    assert text_rows(mini(rows, claims=sentence))["1"].verdict == "cannot tell"


def test_agreement_alone_is_no_flaw_but_as_balance_it_is_no_evidence() -> None:
    rows = "A | Big | 90.1 | 90.0\nA | Mid | 91.2 | 91.0\nA | Small | 80.0 | 79.5\n"
    for fields, verdict in (
        ({}, "consistent"),
        ({"within": "0.5"}, "consistent"),
        ({"within": "0.4"}, "inconsistent"),
        ({"as_balance": True}, "no evidence"),
    ):
        sentence = claim("agreement", metrics=["accuracy", "recall"], **fields)
        row = text_rows(mini(rows, "accuracy recall", sentence))["1"]
        assert (row.verdict, text_of(row.printed)) == (verdict, "0.5")
        assert "by definition" not in said_all(row.reasons)  # recall is not accuracy here


def test_an_accuracy_above_the_best_known_is_suspect_beyond_rounding() -> None:
    reference = '\n[[references]]\ndataset = "letters"\nmethod = "m"\naccuracy = "90.04"\n'
    for value, is_suspect in (("90.0", False), ("90.1", True), ("90.04", False), ("90.05", True)):
        rows = text_rows(mini(f"A | Big | {value}\n", claims=reference))
        assert ("best-known:A" in rows) == is_suspect, value


def memory(big: float, mid: float, small: float, own: tuple[float, ...] = (100, 250, 500)) -> str:
    """Return a table in which B needs so much more than A, model by model."""
    models = ("Big", "Mid", "Small")
    return "".join(f"A | {m} | {v:.2f}\n" for m, v in zip(models, own, strict=True)) + "".join(
        f"B | {m} | {v + more:.2f}\n"
        for m, v, more in zip(models, own, (big, mid, small), strict=True)
    )


# two channels more, 16 images of 32 px
ONE_BATCH = 16 * 2 * 32 * 32 * 4 / 2**20


def checks(table: str, head: str = HEAD) -> dict[str, ClaimRow]:
    return text_rows(mini(table, "train_memory_mib", head=head))


def test_inputs_explain_their_own_memory() -> None:
    assert ONE_BATCH == 0.125
    head = HEAD.replace("image_px = 32", "image_px = 320")  # 12.5 MiB
    assert checks(memory(12.5, 12.5, 12.5), head) == {}
    assert checks(memory(12.6, 12.5, 17.0), head) == {}  # wider first layers come on top


@pytest.mark.parametrize("batch", [8, 4])
def test_less_memory_than_one_batch_tells_the_true_batch(batch: int) -> None:
    head = HEAD.replace("image_px = 32", "image_px = 320")
    told = 12.5 * batch / 16
    rows = checks(memory(told + 0.08, told, told + 5), head)
    assert rows.keys() == {"inputs:B-A:train_memory_mib"}
    assert f"Batches of {batch} come to {told:.2f}" in said_all(
        rows["inputs:B-A:train_memory_mib"].reasons
    )


def test_more_memory_than_one_batch_is_suspect_only_where_models_agree() -> None:
    head = HEAD.replace("image_px = 32", "image_px = 320")
    rows = checks(memory(25.0, 25.0, 31.0), head)
    assert rows.keys() == {"inputs:B-A:train_memory_mib"}
    assert "Batches of 32" in said_all(rows["inputs:B-A:train_memory_mib"].reasons)
    assert checks(memory(25.0, 40.0, 90.0), head) == {}


def test_a_constant_offset_without_a_cause_is_suspect() -> None:
    equal = HEAD.replace("channels = 3", "channels = 1")
    assert checks(memory(300.0, 300.1, 299.9), equal).keys() == {"offset:B-A:train_memory_mib"}
    assert checks(memory(-30.0, -30.1, -29.9), equal).keys() == {"offset:A-B:train_memory_mib"}
    assert checks(memory(30.0, 75.0, 150.0), equal) == {}  # grows with the model
    assert checks(memory(0.0, 0.0, 0.0), equal) == {}
    alike = memory(30.0, 30.1, 29.9, own=(100, 110, 120))
    assert checks(alike, equal) == {}  # models of like needs may well differ alike


def test_an_offset_is_found_whichever_data_set_comes_first() -> None:
    equal = HEAD.replace("channels = 3", "channels = 1")
    swapped = "\n".join(reversed(memory(300.0, 300.1, 299.9).splitlines())) + "\n"
    assert checks(swapped, equal) == checks(memory(300.0, 300.1, 299.9), equal)


def test_what_is_said_to_be_assessed_should_be_printed() -> None:
    for metric, verdict in (("accuracy", "consistent"), ("weights_mib", "no evidence")):
        sentence = claim("reported", metrics=[metric])
        assert text_rows(mini("A | Big | 90.1\n", claims=sentence))["1"].verdict == verdict


def test_advice_is_held_against_what_the_tables_advise() -> None:
    rows = "A | Big | 90.1 | 10\nA | Mid | 91.2 | 20\nA | Small | 80.0 | 30\n"
    for fields, verdict in (
        ({"model": "Mid", "case": "best accuracy"}, "consistent"),
        ({"model": "Big", "case": "quick prototyping"}, "consistent"),
        ({"model": "Small", "case": "quick prototyping"}, "inconsistent"),
        ({"model": "Small", "advised": False}, "consistent"),
        ({"model": "Mid", "advised": False}, "inconsistent"),
    ):
        sentence = claim("advice", datasets=["A"], **fields)
        row = text_rows(mini(rows, "accuracy train_time_s", sentence))["1"]
        assert row.verdict == verdict, said_all(row.reasons)


# --- against a run


NAMES = {"Big": "resnet18", "Mid": "mobilenetv2", "Small": "vit-b16"}


def evidence(
    values: dict[str, float], half: float | None = 0.1, metric: str = "accuracy", **fields: Any
) -> Evidence:
    """Return what a run under the stated protocol measured on the stated data."""
    measured = [
        Measured(
            dataset=fields.get("dataset", "letters"),
            model=NAMES.get(name, name),
            metric=metric,
            value=value,
            low=None if half is None else value - half,
            high=None if half is None else value + half,
        )
        for name, value in values.items()
    ]
    info = plain_info(name=fields.pop("dataset", "letters"))
    return Evidence(
        **(
            {
                "measured": tuple(measured),
                "protocol": Protocol(batch_size=16, epochs=2, image_px=32),
                "datasets": (info,),
            }
            | fields
        )
    )


def mini_publication(kind: str, **fields: Any) -> Publication:
    fields = {"metric": "accuracy", "datasets": ["A"]} | fields
    table = "A | Big | 90.1\nA | Mid | 91.2\nA | Small | 80.0\n"
    return parse_claims(mini(table, claims=claim(kind, **fields)))


def judged(kind: str, found: Evidence, **fields: Any) -> ClaimRow:
    (row,) = judge_claims(mini_publication(kind, **fields), found)
    return row


@pytest.mark.parametrize(
    ("values", "half", "verdict"),
    [
        ({"Big": 90, "Mid": 91, "Small": 80}, 0.1, "supported"),
        ({"Big": 90, "Mid": 91, "Small": 80}, 2.0, "cannot tell"),
        ({"Big": 90, "Mid": 91, "Small": 80}, None, "cannot tell"),
        ({"Big": 92, "Mid": 91, "Small": 80}, 0.1, "refuted"),
        ({"Big": 90, "Mid": 91}, 0.1, "cannot tell"),
        ({"Big": 92, "Mid": 91}, 0.1, "refuted"),
    ],
)
def test_a_best_model_needs_every_interval_on_its_side(
    values: dict[str, float], half: float | None, verdict: str
) -> None:
    row = judged("best", evidence(values, half), model="Mid")
    assert row.verdict == verdict, said_all(row.reasons)
    assert row.direction is None


def test_the_closest_rival_decides_and_stands_in_the_row() -> None:
    row = judged("best", evidence({"Big": 90, "Mid": 91, "Small": 80}), model="Mid")
    assert text_of(row.printed) == "1.10"
    assert row.measured == 1.0
    assert row.low == pytest.approx(1 - math.hypot(0.1, 0.1), abs=1e-6)
    assert "A: Mid − Big 1.00 (0.86 to 1.14)" in said_all(row.reasons)
    (as_told,) = claims_json([row])
    assert [*as_told] == [
        *("id", "text", "verdict", "printed", "measured", "low", "high", "reason")
    ]


@pytest.mark.parametrize(
    ("mid", "half", "verdict"),
    [
        (91.0, 0.05, "supported"),
        (91.0, 0.5, "cannot tell"),
        (92.0, 0.1, "refuted"),
        (90.1, 0.1, "refuted"),
        (91.56, 0.001, "refuted"),
        (91.53, 0.001, "supported"),  # 1.53 rounds to 1.5
    ],
)
def test_a_range_holds_the_whole_interval_or_none_of_it(
    mid: float, half: float, verdict: str
) -> None:
    found = evidence({"Big": 90, "Mid": mid}, half)
    row = judged("difference_range", found, models=["Mid"], base="Big", low="0.5", high="1.5")
    assert row.verdict == verdict
    assert text_of(row.printed) == "0.5–1.5"


def test_costs_are_compared_as_ratios() -> None:
    found = evidence({"Big": 100, "Mid": 180, "Small": 700}, 0.1, "num_parameters")
    row = judged(
        "ratio_range",
        found,
        metric="num_parameters",
        models=["Mid"],
        base="Big",
        low="1.7",
        high="1.9",
    )
    assert (row.verdict, row.measured) == ("supported", 1.8)


def test_a_paired_interval_goes_before_two_that_know_nothing_of_each_other() -> None:
    values = {"Big": 90.0, "Mid": 91.0, "Small": 80.0}
    fields = {"dataset": "letters", "metric": "accuracy"}
    for first, second, value, low, high in (
        ("mobilenetv2", "resnet18", 1.0, 0.6, 1.4),
        ("resnet18", "mobilenetv2", -1.0, -1.4, -0.6),
    ):
        gap = MeasuredGap(first=first, second=second, value=value, low=low, high=high, **fields)
        row = judged("best", evidence(values, 2.0, gaps=(gap,)), model="Mid")
        assert row.verdict == "supported"
        assert (row.measured, row.low, row.high) == (1.0, 0.6, 1.4)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"protocol": Protocol(batch_size=32, epochs=2, image_px=32)}, "batch_size 32 for 16"),
        ({"protocol": Protocol(batch_size=16, epochs=2, image_px=28)}, "image_px 28 for 32"),
        ({"subset": Subset(train_images=500)}, "A.train_images 500 for all"),
        ({"dataset": "npz:letters10k"}, "data npz:letters10k for letters"),
        ({"dataset": "npz:elsewhere/letters10k"}, "data npz:elsewhere/letters10k for letters"),
        ({"dataset": "folder:letters"}, "data folder:letters for letters"),
        (
            {"datasets": (plain_info(name="letters", class_names=("A", "B")),)},
            "A.num_classes 2 for 3",
        ),
        ({"datasets": (plain_info(name="letters", height_px=32),)}, "A.height_px 32 for 28"),
    ],
)
def test_other_conditions_are_named_and_the_direction_is_told(
    fields: dict[str, Any], named: str
) -> None:
    for values, half, direction in (
        ({"Big": 90, "Mid": 91, "Small": 80}, 0.1, "agrees"),
        ({"Big": 92, "Mid": 91, "Small": 80}, 0.1, "disagrees"),
        ({"Big": 91, "Mid": 91, "Small": 80}, 0.1, "cannot be told"),
    ):
        row = judged("best", evidence(values, half, **fields), model="Mid")
        assert row.verdict == "not comparable"
        assert row.direction == direction
        assert f"Other conditions: {named}." in said_all(row.reasons)
        assert f"The direction {direction} under another protocol" in said_all(row.reasons)


def test_unstated_settings_make_no_difference() -> None:
    protocol = Protocol(batch_size=16, epochs=2, image_px=32, learning_rate=0.5, stem="small")
    found = evidence({"Big": 90, "Mid": 91, "Small": 80}, protocol=protocol)
    assert judged("best", found, model="Mid").verdict == "supported"


def test_a_related_model_is_another_model() -> None:
    found = evidence({"Big": 90, "Mid": 91, "vit-tiny": 80})
    row = judged("best", found, model="Mid")
    assert (row.verdict, row.direction) == ("not comparable", "agrees")
    assert "model vit-tiny for vit-b16" in said_all(row.reasons)
    # a comparison that is comparable and fails refutes the whole
    found = evidence({"Big": 92, "Mid": 91, "vit-tiny": 80})
    assert judged("best", found, model="Mid").verdict == "refuted"


def test_the_published_data_set_goes_before_related_ones() -> None:
    here = evidence({"Big": 90, "Mid": 91, "Small": 80})
    other = evidence({"Big": 99, "Mid": 91, "Small": 80}, dataset="npz:letters10k")
    both = here.model_copy(
        update={
            "measured": other.measured + here.measured,
            "datasets": other.datasets + here.datasets,
        }
    )
    assert judged("best", both, model="Mid").verdict == "supported"


def test_a_cost_asks_for_the_device_and_a_size_for_nothing_but_the_model() -> None:
    values = {"Big": 10.0, "Mid": 20.0, "Small": 30.0}
    time = evidence(values, metric="train_time_s", device="cpu")
    row = judged("best", time, model="Big", metric="train_time_s")
    assert (row.verdict, row.direction) == ("not comparable", "agrees")
    assert "device cpu for unknown" in said_all(row.reasons)
    size = evidence(values, None, "weights_mib", protocol=Protocol(), dataset="npz:letters10k")
    row = judged("best", size, model="Big", metric="weights_mib")
    assert (row.verdict, row.measured, row.low) == ("supported", 2.0, 2.0)


def test_a_range_under_another_protocol_keeps_its_side_alone() -> None:
    other = {"protocol": Protocol(epochs=9)}
    fields = {"models": ["Mid"], "base": "Big"}
    far = evidence({"Big": 60, "Mid": 91}, **other)
    row = judged("difference_range", far, low="0.5", high="1.5", **fields)
    assert (row.verdict, row.direction) == ("not comparable", "agrees")
    row = judged("difference_range", far, low="-1.5", high="-0.5", **fields)
    assert (row.verdict, row.direction) == ("not comparable", "disagrees")


def test_a_run_without_the_models_cannot_tell() -> None:
    row = judged("best", evidence({"convnext": 99}), model="Mid")
    assert row.verdict == "cannot tell"
    assert "Mid" in said_all(row.reasons)
    assert (row.measured, row.low, row.high) == (None, None, None)


def test_balance_is_judged_by_classes_never_by_averages() -> None:
    fields = {"metrics": ["accuracy", "recall"], "as_balance": True, "within": "2"}
    publication = parse_claims(
        mini("A | Big | 90.1 | 90.1\n", "accuracy recall", claim("agreement", **fields))
    )
    lowest = evidence({"Big": 70}, 3.0, "lowest_class_recall")
    highest = evidence({"Big": 99}, 0.5, "highest_class_recall")
    both = lowest.model_copy(update={"measured": lowest.measured + highest.measured})
    (row,) = judge_claims(publication, both)
    assert row.verdict == "refuted" and "70.00 to 99.00" in said_all(row.reasons)
    averages = evidence({"Big": 90.1}, 0.1, "recall")
    assert judge_claims(publication, averages)[0].verdict == "cannot tell"


def test_advice_is_judged_by_what_the_run_would_advise() -> None:
    accuracy = evidence({"Big": 90, "Mid": 91, "Small": 80})
    size = evidence({"Big": 40, "Mid": 8, "Small": 300}, None, "weights_mib")
    both = accuracy.model_copy(update={"measured": accuracy.measured + size.measured})
    fields = {"datasets": ["A"], "case": "small device"}
    for model, verdict in (("Mid", "supported"), ("Big", "refuted")):
        sentence = claim("advice", model=model, **fields)
        (row,) = judge_claims(parse_claims(mini(claims=sentence)), both)
        assert row.verdict == verdict, said_all(row.reasons)


def test_order_of_measurements_changes_nothing() -> None:
    found = evidence({"Big": 90, "Mid": 91, "Small": 80})
    rows = {
        judged("best", found.model_copy(update={"measured": order}), model="Mid")
        for order in itertools.permutations(found.measured)
    }
    assert len(rows) == 1


@given(st.floats(50, 99), st.floats(50, 99), st.floats(0.01, 5))
def test_the_opposite_sentence_gets_the_opposite_verdict(a: float, b: float, half: float) -> None:
    found = evidence({"Big": a, "Mid": b}, half)
    rising = judged("order", found, models=["Big", "Mid"], along="rising").verdict
    falling = judged("order", found, models=["Big", "Mid"], along="falling").verdict
    opposite = {"supported": "refuted", "refuted": "supported", "cannot tell": "cannot tell"}
    assert falling == opposite[rising]


def test_the_shipped_claims_against_the_article_as_stated_are_comparable() -> None:
    publication = parse_claims(SHIPPED)
    infos = [
        plain_info(
            name=stated.known_as,
            height_px=stated.height_px,
            width_px=stated.width_px,
            channels=stated.channels,
            class_names=tuple(map(str, range(stated.num_classes or 0))),
            num_images={"train": stated.num_train, "test": stated.num_test},
        )
        for stated in publication.datasets.values()
    ]
    measured = [
        Measured(
            dataset=publication.datasets[dataset].known_as,
            model=publication.models[model].known_as,
            metric=metric,
            value=float(text),
            low=float(text) - 0.01,
            high=float(text) + 0.01,
        )
        for (dataset, model, metric), text in publication.printed().items()
    ]
    found = Evidence(
        measured=tuple(measured),
        protocol=Protocol(image_px=224, dropout="off", pretrained=True),
        datasets=tuple(infos),
        device="NVIDIA GeForce RTX 4070 SUPER",
    )
    verdicts = {row.id: row.verdict for row in judge_claims(publication, found)}
    assert {id_ for id_, verdict in verdicts.items() if verdict == "supported"} == {
        *("1a", "1b", "2", "4a", "4b", "4c", "5a", "5b", "5c", "5d", "6a", "6b", "7a", "7b"),
        *("8a", "8b", "8c"),
    }
    assert verdicts["7c"] == verdicts["3"] == verdicts["size"] == "cannot tell"
    assert "not comparable" not in verdicts.values()


def test_numbers_are_said_as_they_are_stated() -> None:
    head = HEAD.replace("batch_size = 16", "batch_size = { low = 10, high = 12 }")
    head = head.replace("epochs = 2", "learning_rate = { low = 0.5, high = 1.0 }")
    rows = "A | Big | 12345.0\nA | Mid | 12.25\n"
    ends = {"low": "1007.9", "high": "2000", "datasets": ["A"]}
    times = claim("ratio_range", models=["Big"], base="Mid", metric="train_time_s", **ends)
    row = text_rows(mini(rows, "train_time_s", times, head))["1"]
    assert "the tables give 1007.8 (A), which rounds to 1008, not 2000" in said_all(row.reasons)
    best = claim("best", model="Big", metric="accuracy")
    publication = parse_claims(mini("A | Big | 90\nA | Mid | 80\n", claims=best, head=head))
    (row,) = judge_claims(publication, evidence({"Big": 90, "Mid": 91, "Small": 80}))
    said = said_all(row.reasons)
    assert "for 10–12, " in said and said.endswith("learning_rate 0.001 for 0.5–1.")


@pytest.mark.parametrize(
    "number", ["9" * 400, "1" + "0" * 308, "0." + "0" * 300 + "1", "1" * 16, "0." + "1" * 16]
)
def test_numbers_that_nobody_prints_are_mistakes(number: str) -> None:
    with pytest.raises(SpecError, match="expected a decimal number"):
        parse_claims(mini(f"A | Big | {number}\n"))


@pytest.mark.parametrize("field", ["num_test", "num_train", "height_px", "channels"])
def test_counts_that_nothing_has_are_mistakes(field: str) -> None:
    others = re.sub(rf"^{field} = .*\n", "", HEAD, flags=re.MULTILINE)
    head = others.replace("num_classes = 3", f"num_classes = 3\n{field} = 1{'0' * 400}")
    with pytest.raises(SpecError, match=field):
        parse_claims(mini("A | Big | 90.1\n", head=head))


@pytest.mark.parametrize("metric", ["accuracy", "train_time_s", "train_memory_mib"])
def test_the_largest_and_the_smallest_numbers_are_judged(metric: str) -> None:
    rows = f"A | Big | {'9' * 15}\nA | Mid | 0.{'0' * 14}1\nA | Small | -1\n"
    ends = {"low": "0.1", "high": "9" * 15}
    claims = claim("best", model="Big", metric=metric)
    claims += claim("ratio_range", id="2", models=["Big"], base="Mid", metric=metric, **ends)
    found = text_rows(mini(rows, metric, claims))
    assert {"1", "2"} <= found.keys()
    for row in found.values():
        assert "inf" not in said_all(row.reasons) and "nan" not in said_all(row.reasons)
