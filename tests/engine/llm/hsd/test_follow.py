"""How often the text is looked at for drafts: at every token, or in strides where looking costs more than it brings."""

from __future__ import annotations

from engine.llm.hsd.calibration import Calibration
from engine.llm.hsd.cost import MOST_EXACT_ROWS, CostCurve
from engine.llm.hsd.speculation import FAST_S, LOOK_EVERY, REST_LOOKS, RESTS_AFTER, Account, Proposal, Speculation
from engine.messages import Sampling
from engine.service import CancelToken

GREEDY = Sampling(repetition_penalty=1.0)
COPIED = [*range(20, 60), 1, 2, 3, *range(20, 40)]
"""A text that ends in a copy of its beginning."""


def make(curve: CostCurve) -> Speculation:
    return Speculation(Calibration(curve, MOST_EXACT_ROWS))


def test_fast_model_is_followed_in_strides_until_a_draft_is_of_use() -> None:
    speculation = make(CostCurve((1, 8, 63), (FAST_S / 2, FAST_S / 2, FAST_S)))
    drafter, account = speculation.begin(COPIED, GREEDY), Account()
    strange = [5000 + number for number in range(LOOK_EVERY)]
    read, looks = [], []
    for token in (*strange, *COPIED[:LOOK_EVERY]):
        speculation.follow(drafter, [token])
        read.append(len(drafter.text) - len(COPIED))
        looks.append(bool(speculation.propose(drafter, 20, 100, 0, CancelToken()).tokens))
        speculation.record(account, Proposal(), 1, [token], 0)
    # The first token is looked at, and then every 32nd; the copy is drafted at the first look after its begin.
    assert read == [1] * LOOK_EVERY + [1 + LOOK_EVERY] * LOOK_EVERY
    assert looks == [False] * LOOK_EVERY + [True] + [False] * (LOOK_EVERY - 1)
    assert drafter.text == [*COPIED, *strange, COPIED[0]]
    speculation.record(account, Proposal((1,)), 2, [1, 2], 1)
    speculation.follow(drafter, [COPIED[LOOK_EVERY]])
    assert drafter.text == [*COPIED, *strange, *COPIED[: LOOK_EVERY + 1]]
    assert speculation.propose(drafter, 20, 100, 0, CancelToken()).tokens


def test_model_that_drafts_nothing_of_use_is_followed_four_tokens_at_a_time() -> None:
    speculation = make(CostCurve((1, 8, 63), (1.0, 1.0, 8.0)))
    drafter, account = speculation.begin(COPIED, GREEDY), Account()
    read = []
    for number in range(RESTS_AFTER + 2 * REST_LOOKS):
        speculation.follow(drafter, [5000 + number])
        read.append(len(drafter.text) - len(COPIED))
        speculation.record(account, Proposal(), 1, [5000 + number], 0)
    assert read[:RESTS_AFTER] == list(range(1, RESTS_AFTER + 1))
    assert read[RESTS_AFTER:] == [RESTS_AFTER] * 3 + [RESTS_AFTER + 4] * 4 + [RESTS_AFTER + 8]
