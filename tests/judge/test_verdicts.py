"""Verdicts, their errors, and their sentences."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats as distributions

from judge.networks import answers, compare, drawn_right, estimate, predictions
from neurovisionlab.core.errors import DataError
from neurovisionlab.core.predictions import Predictions
from neurovisionlab.judge.answers import Answers, answers_of
from neurovisionlab.judge.differ import confusion_difference, differences, most_confused
from neurovisionlab.judge.ranks import Overall, Refusal, overall, wilcoxon
from neurovisionlab.judge.samples import METRICS, Rules
from neurovisionlab.judge.verdicts import DatasetVerdicts, verdicts_of_dataset
from neurovisionlab.out.speech import Voice, speaking
from neurovisionlab.out.words import verdict_words as sentences

FEW_DRAWS = Rules(num_draws=200)
ONLY_ACCURACY = Rules(metrics=("accuracy",))


def with_shares(shares: list[float], num: int = 10_000, model: str = "a") -> Answers:
    """Return one network for each share; errors of all lie on the same hard images."""
    wrong_S = np.rint((1 - np.array(shares)) * num)
    return answers(np.arange(num) >= wrong_S[:, None], model)


def verdict(a: list[float], b: list[float], num: int = 10_000):
    return compare(with_shares(a, num), with_shares(b, num, "b"), "accuracy")


def test_a_clear_lead_is_better() -> None:
    found = verdict([0.90, 0.905, 0.91], [0.85, 0.855, 0.86])
    assert (found.kind, found.better, found.scope) == ("better", "a", "models")
    assert found.difference == pytest.approx(0.05)
    assert found.low < 0.05 < found.high
    assert found.would_decide is None


def test_a_small_difference_well_measured_is_equivalent_and_says_who_leads() -> None:
    found = verdict([0.9000, 0.9003, 0.9006], [0.9010, 0.9013, 0.9016])
    assert (found.kind, found.better, found.leading) == ("equivalent", None, "b")
    assert found.p_holm < 0.05  # real, and too small to matter
    assert found.equivalent_within < 0.005


def test_wide_runs_leave_it_open() -> None:
    found = verdict([0.85, 0.90, 0.95], [0.84, 0.89, 0.93])
    assert (found.kind, found.better, found.leading) == ("cannot tell", None, "a")
    assert found.would_decide is not None
    assert not found.would_decide.images_help
    assert found.smallest_delta == pytest.approx((found.high_90 - found.low_90) / 2)


def test_one_seed_judges_the_networks_and_never_the_models() -> None:
    found = verdict([0.95], [0.90])
    assert (found.kind, found.better) == ("better", "a")
    assert found.scope == "these trained networks"
    assert found.about_models == "cannot tell"
    assert found.cautions == ("one seed",)
    assert found.p < 1e-100


def test_one_seed_on_one_side_is_one_seed() -> None:
    found = verdict([0.95, 0.95, 0.95], [0.90])
    assert found.scope == "these trained networks"
    assert (found.num_seeds_a, found.num_seeds_b) == (3, 1)


def test_two_seeds_are_flagged() -> None:
    assert verdict([0.9, 0.91], [0.9, 0.91]).cautions == ("two seeds",)
    assert verdict([0.9, 0.91, 0.9], [0.9, 0.91, 0.9]).cautions == ()


def test_there_is_no_equivalence_of_likelihoods() -> None:
    a, b = with_shares([0.9, 0.9, 0.901]), with_shares([0.9, 0.9, 0.901], model="b")
    for metric in ("nll", "brier"):
        found = compare(a, b, metric)
        assert found.kind == "cannot tell"
        assert found.delta is None
        assert found.smallest_delta is None


def test_the_lower_likelihood_loss_is_better() -> None:
    a, b = with_shares([0.90, 0.905, 0.91]), with_shares([0.85, 0.855, 0.86], model="b")
    found = compare(a, b, "nll")
    assert (found.kind, found.better) == ("better", "a")
    assert found.difference < 0


def test_holm_counts_all_pairs_of_the_data_set_for_each_score() -> None:
    models = [with_shares([s, s + 0.004, s + 0.008], model=str(s)) for s in (0.9, 0.91, 0.92)]
    found = verdicts_of_dataset("d", models, FEW_DRAWS)
    assert len(found.pairs) == 3 * len(METRICS)
    assert len(found.estimates) == 3 * len(METRICS)
    alone = compare(models[0], models[2], "accuracy")
    together = next(p for p in found.pairs if p.metric == "accuracy" and p.difference < -0.015)
    assert together.num_pairs == 3
    assert together.p == alone.p
    assert together.p_holm == pytest.approx(3 * alone.p)


@pytest.mark.parametrize("metric", METRICS)
def test_estimates_hold_their_value(metric) -> None:
    found = estimate(answers(drawn_right(3, 400, 0.8)), metric, FEW_DRAWS)
    assert found.low < found.value < found.high
    assert found.num_images == 400
    assert found.run_sd > 0


def test_the_interval_of_one_seed_is_about_the_network() -> None:
    found = estimate(answers(drawn_right(1, 400, 0.8)), "accuracy")
    assert found.scope == "these trained networks"
    assert found.run_sd is None


class TestErrors:
    def test_no_predictions(self) -> None:
        with pytest.raises(DataError, match="resnet18: expected stored test predictions, got none"):
            answers_of("resnet18", {})

    def test_predictions_of_one_seed_missing(self) -> None:
        good = predictions(np.arange(8) % 4, np.arange(8) % 4)
        with pytest.raises(DataError, match="m, seed 3: expected stored test predictions"):
            answers_of("m", {2: good, 3: None})

    def test_seeds_on_different_images(self) -> None:
        one = predictions(np.arange(8) % 4, np.arange(8) % 4)
        moved = dataclasses.replace(one, indices_N=one.indices_N + 1)
        with pytest.raises(DataError, match="seed 1: expected the test images of the other seeds"):
            answers_of("m", {0: one, 1: moved})

    @pytest.mark.parametrize("labels_N", [np.arange(40)[::-1] % 4, np.arange(80) % 4])
    def test_models_on_different_images(self, labels_N: NDArray) -> None:
        a = answers(np.ones((1, 40)), "a")
        b = answers(np.ones((1, len(labels_N))), "b", labels_N)
        with pytest.raises(DataError, match="b: expected the test images of a, got others"):
            compare(a, b, "accuracy")

    def test_one_class(self) -> None:
        with pytest.raises(DataError, match="at least 2 classes, got 1 among 5 images"):
            answers(np.ones((1, 5)), "m", np.zeros(5, np.int64))

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_logits_not_finite(self, value: float) -> None:
        broken = predictions(np.arange(8) % 4, np.arange(8) % 4)
        broken.logits_NC[2, 1] = value
        with pytest.raises(
            DataError, match="m, seed 0: expected finite logits, got NaN or infinity for 1 of 8"
        ):
            answers_of("m", {0: broken})

    def test_shapes_that_do_not_fit(self) -> None:
        one = predictions(np.arange(8) % 4, np.arange(8) % 4)
        with pytest.raises(DataError, match=r"N labels and N indices, got logits \(8, 4\)"):
            answers_of("m", {0: dataclasses.replace(one, labels_N=one.labels_N[1:])})

    def test_a_label_outside_the_classes(self) -> None:
        one = predictions(np.arange(8) % 4, np.arange(8) % 4)
        with pytest.raises(DataError, match=r"labels in 0\.\.3, got 1\.\.4"):
            answers_of("m", {0: dataclasses.replace(one, labels_N=one.labels_N + 1)})

    def test_one_name_twice(self) -> None:
        with pytest.raises(DataError, match="each model once"):
            compare(with_shares([0.9]), with_shares([0.8]), "accuracy")


def _of_many_classes(labels_N: NDArray[np.int64], answers_N: list[int]) -> Predictions:
    logits_NC = np.zeros((len(answers_N), 100_000), np.float32)
    logits_NC[np.arange(len(answers_N)), answers_N] = 9
    return Predictions(logits_NC, labels_N, np.arange(len(answers_N)))


class TestWhereTheyDiffer:
    labels_N = np.array([0, 0, 1, 1, 2, 3])

    def model(self, name: str, *rows: list[int]) -> Answers:
        given = {s: predictions(np.array(row), self.labels_N) for s, row in enumerate(rows)}
        return answers_of(name, given)

    def test_confusions_are_means_over_seeds(self) -> None:
        a = self.model("a", [0, 1, 1, 1, 3, 3], [0, 1, 1, 1, 2, 3])
        b = self.model("b", [0, 0, 1, 1, 3, 3], [0, 0, 1, 1, 3, 3])
        difference_CC = confusion_difference(a, b)
        assert difference_CC[0, 1] == 1.0
        assert difference_CC[2, 3] == -0.5
        assert difference_CC.sum() == 0
        first, second = most_confused(a)
        assert (first.truth, first.answer, first.num_images, first.share_frac) == (0, 1, 1.0, 0.5)
        assert (second.truth, second.answer, second.num_images) == (2, 3, 0.5)

    def test_classes_that_do_not_occur_cost_nothing(self) -> None:
        """A matrix of these would take 80 GB."""
        given = {
            name: answers_of(name, {0: _of_many_classes(self.labels_N, row)})
            for name, row in (("a", [0, 1, 1, 1, 3, 3]), ("b", [0, 0, 1, 1, 3, 99_999]))
        }
        found = differences(list(given.values()))
        many = [(one.truth, one.answer, one.num_images) for one in found.confused["b"]]
        assert many == [(2, 3, 1.0), (3, 99_999, 1.0)]
        gaps = [(one.a, one.b, one.truth, one.answer, one.num_images) for one in found.gaps]
        assert gaps == [("a", "b", 0, 1, 1.0), ("b", "a", 3, 99_999, 1.0)]

    def test_images_right_alone_and_never(self) -> None:
        a = self.model("a", [0, 1, 1, 2, 2, 1], [0, 1, 1, 2, 2, 1])
        b = self.model("b", [1, 0, 1, 2, 3, 1], [1, 1, 1, 3, 3, 0])
        found = differences([a, b])
        # image 1 is no one's alone: one network of b is right, not all
        assert found.alone == {"a": (100, 104), "b": ()}
        assert [(one.index, one.label, one.answer) for one in found.suspects] == [
            (103, 1, 2),
            (105, 3, 1),
        ]
        assert [one.agreeing_frac for one in found.suspects] == [0.75, 0.75]

    def test_recall_of_each_class_has_an_interval(self) -> None:
        found = differences([self.model("a", [0, 1, 1, 1, 3, 3])]).recalls["a"]
        assert [one.recall_frac for one in found] == [0.5, 1, 0, 1]
        assert [one.num_images for one in found] == [2, 2, 1, 1]
        assert all(one.low <= one.recall_frac <= one.high for one in found)
        assert found[1].low < 0.5


def on_datasets(*shares: dict[str, float]) -> list[DatasetVerdicts]:
    return [
        verdicts_of_dataset(
            str(number),
            [with_shares([s, s + 0.001, s + 0.002], 4000, name) for name, s in by_model.items()],
            ONLY_ACCURACY,
        )
        for number, by_model in enumerate(shares)
    ]


def ranks_of(found: Overall) -> dict[str, float | None]:
    return {one.model: one.mean_rank for one in found.standings}


class TestAcrossDataSets:
    def test_wins_ties_losses_and_ranks(self) -> None:
        found = overall(on_datasets({"a": 0.9, "b": 0.8}, {"a": 0.9, "b": 0.9}), "accuracy")
        first, second = found.standings
        assert (first.model, first.wins, first.losses) == ("a", 1, 0)
        assert (second.model, second.wins, second.losses) == ("b", 0, 1)
        assert first.ties + first.undecided == 1
        assert ranks_of(found) == {"a": 1.25, "b": 1.75}
        assert first.low == 1.0
        assert first.high == 1.5
        assert found.is_balanced

    def test_a_cell_missing_weighs_opponents_alike(self) -> None:
        found = overall(
            on_datasets({"a": 0.9, "b": 0.8, "c": 0.7}, {"a": 0.9, "b": 0.8}, {"a": 0.9, "b": 0.8}),
            "accuracy",
        )
        assert not found.is_balanced
        assert ranks_of(found) == {"a": 1.0, "b": 2.0, "c": 3.0}
        assert [one.num_datasets for one in found.standings] == [3, 3, 1]

    def test_models_that_never_met_have_no_rank(self) -> None:
        found = overall(on_datasets({"a": 0.9, "b": 0.8}, {"a": 0.9, "c": 0.8}), "accuracy")
        assert ranks_of(found) == {"a": 1.0, "b": None, "c": None}
        assert "no mean rank" in sentences.standing_sentence(found.standings[1])

    def test_few_data_sets_refuse_with_the_reason(self) -> None:
        found = overall(on_datasets({"a": 0.9, "b": 0.8}, {"a": 0.9, "b": 0.8}), "accuracy")
        assert found.critical is None
        assert {one.method for one in found.refusals} == {
            "critical-difference diagram",
            "Wilcoxon signed-rank test",
        }
        assert "at least 5 data sets" in " ".join(sentences.overall_sentences(found))

    def test_enough_data_sets_are_tested(self) -> None:
        found = overall(on_datasets(*[{"a": 0.9, "b": 0.8}] * 6), "accuracy")
        assert found.refusals == ()
        assert found.critical is not None
        assert found.critical.friedman_p == pytest.approx(0.0143, abs=1e-4)

    def test_five_complete_data_sets_are_needed(self) -> None:
        both, one = {"a": 0.9, "b": 0.8}, {"a": 0.9}
        found = overall(on_datasets(both, both, both, both, both, one), "accuracy")
        reasons = [refusal.reason for refusal in found.refusals]
        assert reasons == ["cells are missing", "p cannot get small"]  # five data sets have both

    def test_six_data_sets_are_enough_for_signed_ranks(self) -> None:
        shares = [{"a": 0.95 - d / 100, "b": 0.93 - d / 50} for d in range(6)]
        found = overall(on_datasets(*shares), "accuracy")
        (one,) = found.signed_ranks
        judge = distributions.wilcoxon([pair["a"] - pair["b"] for pair in shares]).pvalue
        assert (one.a, one.b, one.leading, one.num_datasets) == ("a", "b", "a", 6)
        assert one.p == one.p_holm == pytest.approx(judge) == pytest.approx(0.03125)
        assert sentences.overall_sentences(found)[-1].startswith(
            "Over 6 data sets a is better than b (Wilcoxon's signed-rank test, p = 0.031)."
        )

    def test_wilcoxon_is_refused_below_six_pairs(self) -> None:
        refused = wilcoxon([0.1] * 5)
        assert isinstance(refused, Refusal)
        assert (refused.needed, refused.got) == (6, 5)
        assert wilcoxon([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]) == pytest.approx(0.03125)
        assert wilcoxon([0.0] * 6) == 1.0


class TestSentences:
    def test_better(self) -> None:
        found = verdict([0.85, 0.855, 0.86], [0.90, 0.905, 0.91])
        text = sentences.pair_sentence(found, "digits")
        assert text.startswith("b is better than a on digits: accuracy differs by 5.0 points ")
        assert "(95 % interval 3.9 to 6.1 points; p < 0.001)" in text

    def test_cannot_tell_says_what_would_decide(self) -> None:
        text = sentences.pair_sentence(verdict([0.85, 0.90, 0.95], [0.84, 0.89, 0.93]), "digits")
        assert text.startswith("Cannot tell which of a and b is better on digits: accuracy differs")
        assert "in favour of a, but the 95 % interval of a minus b runs from −" in text
        assert "At best these data could have shown equivalence within ±" in text
        assert "more than 50 more seeds of each model would be needed" in text
        assert "more test images cannot decide, because the seeds dominate" in text

    def test_an_interval_that_leaves_out_zero_is_explained(self) -> None:
        found = verdict([0.85, 0.855, 0.86], [0.90, 0.905, 0.91])
        open_ = found.model_copy(update={"kind": "cannot tell", "num_pairs": 3, "p_holm": 0.06})
        text = sentences.pair_sentence(open_, "digits")
        assert "leaves out 0, but not after correction (p = 0.060 after Holm's" in text

    def test_equivalent_names_the_bound_and_the_leader(self) -> None:
        found = verdict([0.9000, 0.9003, 0.9006], [0.9010, 0.9013, 0.9016])
        text = sentences.pair_sentence(found, "digits")
        assert text.startswith("a and b are equivalent on digits")
        assert "in favour of b" in text
        assert text.endswith("lies within ±0.5 points.")

    def test_one_seed_speaks_of_networks(self) -> None:
        text = sentences.pair_sentence(verdict([0.95], [0.90]), "digits")
        assert text.startswith("Of these trained networks, a is better than b on digits")
        assert "About the models: cannot tell, one seed." in text
        one = sentences.estimate_sentence(estimate(with_shares([0.95]), "accuracy"), "digits")
        assert (
            "accuracy 95.0 % (95 % interval 94.6 to 95.4 %, about this one trained network" in one
        )

    def test_estimates_keep_the_digits_that_their_interval_allows(self) -> None:
        wide = estimate(with_shares([0.85, 0.90, 0.95]), "accuracy")
        narrow = estimate(with_shares([0.9, 0.9, 0.9], 1_000_000), "accuracy")
        assert "accuracy 90 % (95 % interval " in sentences.estimate_sentence(wide, "d")
        assert "accuracy 90.00 % (95 % interval 89.94 to " in sentences.estimate_sentence(
            narrow, "d"
        )
        two = estimate(with_shares([0.9, 0.9]), "accuracy")
        assert sentences.estimate_sentence(two, "d").endswith("take the interval as rough.")

    def test_another_language_says_the_same_templates(self) -> None:
        better = sentences.WORDS["better"].english
        short = Voice("xx", lambda text: "{better} > {other}" if text == better else text)
        found = verdict([0.90, 0.905, 0.91], [0.85, 0.855, 0.86])
        with speaking(short):
            assert sentences.pair_sentence(found, "digits") == "a > b"

    @pytest.mark.parametrize(
        ("low", "high", "decimals"),
        [(0, 60, 0), (0, 6.4, 0), (0, 3.2, 1), (0, 0.64, 1), (0, 0.32, 2), (5, 5, 4)],
    )
    def test_decimals(self, low: float, high: float, decimals: int) -> None:
        assert sentences.decimals(low, high) == decimals
