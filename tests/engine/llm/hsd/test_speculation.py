"""Which tier drafts, what it cost and brought, and a draft model that does not pay is left to rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from engine.llm import service as service_module
from engine.llm.backend import Model
from engine.llm.hsd import open_draft
from engine.llm.hsd.calibration import Calibration
from engine.llm.hsd.cost import MOST_EXACT_ROWS, CostCurve, observed
from engine.llm.hsd.draft_model import FIRST_PAUSE, LONGEST_PAUSE, DraftModel, ModelDraft, expected_gain
from engine.llm.hsd.drafter import Floats, NgramDrafter
from engine.llm.hsd.speculation import MOST_REPLAYED, UNIT_AGE, Account, Proposal, Speculation
from engine.llm.preflight import preflight
from engine.llm.protocol import Generate, Generated, LoadModel
from engine.llm.service import ModelService
from engine.messages import ChatMessage, Sampling
from engine.service import CancelToken
from tests.gguf_builder import write_llama

GREEDY = Sampling(repetition_penalty=1.0)
CHEAP = CostCurve((1, 8, 63), (0.05, 0.05, 0.4))
FLAT = CostCurve((1, 8, 63), (1.0, 1.0, 8.0))
STEEP = CostCurve((1, 2, 8, 63), (1.0, 1.3, 1.8, 9.0))
"""A machine on which a drafted token must be right now and then to be worth its row."""
LINEAR = CostCurve((1, 63), (1.0, 63.0))
COPIED = [*range(20, 60), 1, 2, 3, *range(20, 40)]
"""A text that ends in a copy of its beginning."""


class FakeDraft:
    """A draft model that gives what it is told to, and remembers what it was asked and told."""

    def __init__(self, length: int = 0, made: ModelDraft | None = None) -> None:
        self._length, self._made = length, made or ModelDraft()
        self.rivals: list[float] = []
        self.ngrams: list[list[int]] = []
        self.learnt: list[tuple[ModelDraft, list[int]]] = []
        self.rested = 0
        self.calls: list[str] = []

    def begin(self, prompt_tokens: int, sampling: Sampling) -> None:
        self.calls.append(f"begin {prompt_tokens}")

    def end(self) -> None:
        self.calls.append("end")

    def close(self) -> None:
        self.calls.append("close")

    def pays(self, text: Sequence[int], costs: Floats, rival: float, limit: int, left: int) -> int:
        self.rivals.append(rival)
        return self._length

    def draft(
        self, text: Sequence[int], ngram: Sequence[int], length: int, costs: Floats, cancel: CancelToken
    ) -> ModelDraft:
        self.ngrams.append(list(ngram))
        return self._made

    def learn(self, draft: ModelDraft, said: Sequence[int]) -> None:
        self.learnt.append((draft, list(said)))

    def rest(self, said: int) -> None:
        self.rested += said


def make(draft: FakeDraft | None = None, curve: CostCurve = FLAT, *, recurrent: bool = False) -> Speculation:
    calibration = Calibration(curve, MOST_EXACT_ROWS)
    return Speculation(calibration, recurrent=recurrent, draft=cast(DraftModel, draft) if draft else None)


def propose(
    speculation: Speculation, drafter: NgramDrafter, limit: int = 20, replay: int = 0, left: int = 100
) -> Proposal:
    return speculation.propose(drafter, limit, left, replay, CancelToken())


def drafted(tokens: Sequence[int], screened: int = 0, cost: float = 0.1) -> ModelDraft:
    return ModelDraft(tuple(tokens), tuple(tokens), (0.9,) * len(tokens), screened, cost)


# ---------------------------------------------------------------- which tier drafts


def test_copy_is_drafted_by_ngrams_and_nothing_where_there_is_none() -> None:
    speculation = make()
    proposal = propose(speculation, speculation.begin(COPIED, GREEDY))
    assert proposal.tokens == tuple(range(40, 40 + len(proposal.tokens))) != ()
    assert proposal.made is None
    assert propose(speculation, speculation.begin(range(50), GREEDY)) == Proposal()


@pytest.mark.parametrize("curve", [FLAT, STEEP, LINEAR])
@pytest.mark.parametrize("limit", [0, 1, 3, 20])
def test_draft_keeps_to_its_limit_and_to_what_pays(curve: CostCurve, limit: int) -> None:
    speculation = make(curve=curve)
    tokens = propose(speculation, speculation.begin(COPIED, GREEDY), limit).tokens
    assert len(tokens) <= limit
    if limit != 1:  # One token alone may be worth waiting with.
        assert bool(tokens) == (limit > 0 and curve is not LINEAR)


def test_draft_model_is_asked_with_what_ngrams_gain_and_say() -> None:
    made = drafted((40, 41, 7), screened=2)
    fake = FakeDraft(3, made)
    speculation = make(fake)
    proposal = propose(speculation, speculation.begin(COPIED, GREEDY))
    assert proposal == Proposal((40, 41, 7), made)
    assert fake.rivals[0] > 0.0
    assert fake.ngrams == [[40, 41, 42]]
    propose(speculation, speculation.begin(range(50), GREEDY))
    assert (fake.rivals[1], fake.ngrams[1]) == (0.0, [])


def test_ngrams_draft_where_the_draft_model_does_not_pay() -> None:
    fake = FakeDraft(0)
    speculation = make(fake)
    proposal = propose(speculation, speculation.begin(COPIED, GREEDY))
    assert proposal.tokens[:2] == (40, 41)
    assert proposal.made is None
    assert fake.ngrams == []


def test_rows_to_read_again_keep_the_draft_model_out_and_pile_up_no_further_than_a_few() -> None:
    fake = FakeDraft(3, drafted((1, 2, 3)))
    speculation = make(fake, recurrent=True)
    drafter = speculation.begin(COPIED, GREEDY)
    assert propose(speculation, drafter, replay=1).made is None
    assert propose(speculation, drafter, replay=MOST_REPLAYED + 1) == Proposal()
    assert fake.rivals == []
    assert propose(speculation, drafter, replay=0).made is not None


def test_draft_model_begins_ends_and_is_closed_with_the_answers() -> None:
    fake = FakeDraft()
    speculation = make(fake)
    speculation.begin(COPIED, GREEDY)
    speculation.end()
    speculation.close()
    assert fake.calls == [f"begin {len(COPIED)}", "end", "close"]
    alone = make()
    alone.begin(COPIED, GREEDY)
    alone.end()
    alone.close()


# ---------------------------------------------------------------- the account


def record(*steps: tuple[Proposal, int], fake: FakeDraft | None = None) -> Account:
    """Enter steps, of which each accepted so many tokens, into an account."""
    account, speculation = Account(), make(fake or FakeDraft(), STEEP)
    for proposal, accepted in steps:
        said = [*proposal.tokens[:accepted], 99]
        speculation.record(account, proposal, 1 + len(proposal.tokens), said, accepted)
    return account


NOTHING, NGRAM = Proposal(), Proposal((1, 2, 3))
BY_MODEL = Proposal((1, 2), drafted((1, 2)))
SCREENED = Proposal((1, 2), drafted((1, 2), screened=1))
SILENT = Proposal((), ModelDraft((), (5,), (0.1,), 0, 0.1))


@pytest.mark.parametrize(
    ("proposals", "tier"),
    [
        ([NOTHING], "plain"),
        ([SILENT], "plain"),
        ([NOTHING, NGRAM], "n-gram"),
        ([SILENT, NGRAM], "n-gram"),
        ([BY_MODEL, NOTHING], "draft model"),
        ([SCREENED], "n-gram + draft model"),
        ([BY_MODEL, NGRAM], "n-gram + draft model"),
    ],
)
def test_tier_of_an_answer_is_where_its_drafts_came_from(proposals: list[Proposal], tier: str) -> None:
    assert record(*((proposal, 0) for proposal in proposals)).tier == tier


def test_account_adds_up_what_was_said_and_what_it_cost() -> None:
    account = record((NOTHING, 0), (NGRAM, 3), (BY_MODEL, 1), (SILENT, 0))
    assert (account.said, account.drafted, account.accepted, account.draft_steps) == (1 + 4 + 2 + 1, 5, 4, 2)
    spent = 1.0 + STEEP.ratio(4) + (STEEP.ratio(3) + 0.1) + (1.0 + 0.1)
    assert account.spent == pytest.approx(spent)
    assert account.speedup == pytest.approx(8 / spent)
    assert Account().speedup == 1.0


def test_draft_model_learns_from_its_own_drafts_and_rests_during_others() -> None:
    fake = FakeDraft()
    record((NOTHING, 0), (NGRAM, 2), (BY_MODEL, 1), fake=fake)
    assert fake.rested == 1 + 3
    assert fake.learnt == [(BY_MODEL.made, [1, 99])]


# ---------------------------------------------------------------- time


def test_curve_learns_from_drafted_steps_beside_single_tokens_alone() -> None:
    speculation = make()
    speculation.time(8, 9.0)
    assert speculation.curve == FLAT
    speculation.time(1, 1.0)
    for _ in range(3):
        speculation.time(8, 2.0)
    assert speculation.seconds(8) > 1.1
    learnt = speculation.curve
    for _ in range(100):
        speculation.time(8, 2.0)
    # Too long after the last single token nothing can be said any more.
    assert speculation.curve != learnt
    expected = FLAT
    for _ in range(UNIT_AGE):
        expected = observed(expected, 8, 2.0, 1.0)
    assert speculation.curve == expected
    learnt = speculation.curve
    speculation.time(8, 2.0)
    assert speculation.curve == learnt


def drafted_in_a_cycle(speculation: Speculation) -> int:
    """Follow a text that goes round and round, and return the length of the next draft."""
    drafter = speculation.begin(range(40), GREEDY)
    for token in list(range(40)) * 6:
        drafter.append(token)
    return len(propose(speculation, drafter).tokens)


def test_dearer_batches_draft_less() -> None:
    speculation = make()
    before = drafted_in_a_cycle(speculation)
    for _ in range(200):
        speculation.time(1, 1.0)
        for rows in (8, 63):
            speculation.time(rows, 1.2 * rows)
    assert drafted_in_a_cycle(speculation) < before


@pytest.mark.parametrize(("seconds", "disturbed"), [(0.5, True), (0.9, False), (1.5, False)])
def test_single_tokens_much_faster_than_measured_tell_of_a_busy_machine(seconds: float, disturbed: bool) -> None:
    speculation = make()
    assert not speculation.was_disturbed
    speculation.time(1, seconds)
    assert speculation.was_disturbed == disturbed


# ---------------------------------------------------------------- a draft model that pays, or not


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.7, 0.95])
@pytest.mark.parametrize("unit", [0.01, 0.2, 0.6])
def test_expected_gain_is_the_best_of_all_lengths(rate: float, unit: float) -> None:
    for costs in (FLAT.ratios(), STEEP.ratios(), np.arange(64.0)):
        gains = []
        for length in range(1, len(costs) - 1):
            survived = sum(rate**place for place in range(1, length + 1))
            gains.append(1.0 + survived - costs[length + 1] - unit * length)
        gain, best = expected_gain(rate, costs, unit)
        assert gain == pytest.approx(max(gains))
        assert gains[best - 1] == pytest.approx(max(gains))


@pytest.fixture(scope="module")
def sure_and_unsure(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model that has its text, and one that finds every token as likely as any other."""
    folder = tmp_path_factory.mktemp("models")
    return write_llama(folder / "sure.gguf", seed=3), write_llama(folder / "unsure.gguf", {})


@pytest.fixture
def drafter(sure_and_unsure: tuple[Path, Path]) -> Iterator[DraftModel]:
    """A real draft model, cheap, whose target would agree with whatever the test says."""
    path = sure_and_unsure[0]
    model = Model(preflight(path, 512, 1 << 40), LoadModel(path, 512, 1))
    made = DraftModel(model, CHEAP, 1.0, model.vocabulary)
    made.begin(0, GREEDY)
    yield made
    made.close()


TEXT = list(b"hello")


def pays(drafter: DraftModel, curve: CostCurve, *, rival: float = 0.0, limit: int = 20, left: int = 500) -> int:
    return drafter.pays(TEXT, curve.ratios(), rival, limit, left)


def disappoint(drafter: DraftModel) -> None:
    """Have every token wrong for a long time, however sure the draft model was."""
    for _ in range(200):
        for chance in np.arange(0.05, 1.0, 0.1):
            drafter.learn(ModelDraft((5,), (5,), (float(chance),), 0, 0.05), [6])


def trials(drafter: DraftModel, curve: CostCurve, said: int) -> Iterator[tuple[int, int]]:
    """Say so many tokens; yield when the draft model is asked, and for how many tokens."""
    for at in range(said):
        length = pays(drafter, curve)
        if length:
            yield at, length
        else:
            drafter.rest(1)


def test_draft_model_drafts_where_it_gains_more_than_ngrams(drafter: DraftModel) -> None:
    assert pays(drafter, FLAT) > 1
    assert pays(drafter, FLAT, limit=1) == 1
    assert pays(drafter, FLAT, rival=50.0) == 0
    assert pays(drafter, LINEAR) == 0


def test_long_text_is_not_read_for_a_short_answer(drafter: DraftModel) -> None:
    text = list(b"a long text " * 30)
    assert drafter.pays(text, FLAT.ratios(), 0.0, 20, 500) > 1
    assert drafter.pays(text, STEEP.ratios(), 0.0, 20, 2) == 0


def test_text_that_the_draft_model_cannot_hold_or_read_is_not_drafted(drafter: DraftModel) -> None:
    assert drafter.pays([97] * 480, FLAT.ratios(), 0.0, 20, 500) > 0
    assert drafter.pays([97] * 495, FLAT.ratios(), 0.0, 20, 500) == 0
    assert drafter.pays([*TEXT, 260], FLAT.ratios(), 0.0, 20, 500) == 0


def test_unprofitable_draft_model_is_tried_again_after_ever_longer_pauses(drafter: DraftModel) -> None:
    disappoint(drafter)
    tried = list(trials(drafter, STEEP, 5000))
    gaps = np.diff([0, *(at for at, _ in tried)])
    expected = [min(LONGEST_PAUSE, FIRST_PAUSE * 2**number) for number in range(len(gaps))]
    assert np.abs(gaps - expected).max() <= 1
    assert len(gaps) == 8
    assert max(length for _, length in tried) <= 3
    assert pays(drafter, STEEP, limit=2) <= 2


@pytest.mark.parametrize("curve", [FLAT, STEEP])
def test_unprofitable_draft_model_comes_back_when_its_rate_rises(drafter: DraftModel, curve: CostCurve) -> None:
    disappoint(drafter)
    assert expected_gain(drafter._acceptance.mean, curve.ratios(), 0.05)[0] < 0.1
    for asked, (_, length) in enumerate(trials(drafter, curve, 60_000)):
        made = drafter.draft(TEXT, (), length, curve.ratios(), CancelToken())
        # From now on the target says the same.
        drafter.learn(made, [*made.guessed, 1])
        if asked == 60:
            break
    assert [pays(drafter, curve) > 0 for _ in range(100)] == [True] * 100
    assert len(drafter.draft(TEXT, (), 4, curve.ratios(), CancelToken()).tokens) > 1
    # The pauses begin anew: a bad stretch is forgiven.
    disappoint(drafter)
    assert len(list(trials(drafter, curve, 200))) >= 2


@pytest.mark.parametrize("fast", [0.0, float("inf")])
@pytest.mark.parametrize("curve", [FLAT, STEEP])
def test_unsure_draft_model_costs_next_to_nothing(
    curve: CostCurve,
    fast: float,
    sure_and_unsure: tuple[Path, Path],
    service: ModelService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # How often the text is looked at follows the times measured, and these what else runs: both ways hold.
    monkeypatch.setattr("engine.llm.hsd.speculation.FAST_S", fast)
    monkeypatch.setattr(service_module, "calibrate", lambda *_: Calibration(curve, MOST_EXACT_ROWS))
    monkeypatch.setattr(open_draft, "calibrate", lambda *_: Calibration(CHEAP, MOST_EXACT_ROWS))
    monkeypatch.setattr("engine.llm.hsd.speculation.observed", lambda curve, *_: curve)
    monkeypatch.setattr(Model, "ends_generation", lambda *_: False)
    asked = count_calls(monkeypatch)
    target, draft = sure_and_unsure
    how = LoadModel(target, 512, 1, draft=draft)
    ended = None
    for _ in range(3):
        asked.clear()
        *_, ended = service.handle(Generate(how, (ChatMessage("user", "x"),), GREEDY, 400), CancelToken())
    assert isinstance(ended, Generated)
    assert ended.completion_tokens == 400
    assert len(asked) > 0
    assert ended.speedup_estimate > 0.98


def count_calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows with each draft that a draft model is asked for."""
    found: list[int] = []
    draft_rightly: Callable[..., ModelDraft] = DraftModel.draft

    def draft(self: DraftModel, *rest: object) -> ModelDraft:
        found.append(1)
        return draft_rightly(self, *rest)

    monkeypatch.setattr(DraftModel, "draft", draft)
    return found
