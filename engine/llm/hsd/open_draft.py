"""Load the draft model that a target was paired with, or say in a sentence why it goes without."""

from __future__ import annotations

from dataclasses import replace

from engine.errors import HolaError
from engine.llm.backend import Model
from engine.llm.gguf_header import read_vocabulary
from engine.llm.hsd.calibration import Calibration, calibrate
from engine.llm.hsd.cost import MOST_ROWS, CostCurve
from engine.llm.hsd.draft_model import DraftModel, expected_gain
from engine.llm.pairing import compatible
from engine.llm.preflight import preflight
from engine.llm.protocol import LoadModel
from engine.scaling.probe import free_memory_mb

__all__ = ["open_draft"]

BEST_ACCEPTANCE = 0.9
"""A draft model that would not gain even if so much of it were accepted only takes memory."""


def open_draft(how: LoadModel, target: Model, measured: Calibration) -> tuple[DraftModel | None, str]:
    """Return the draft model of a loaded target, or None and why there is none; never an error: drafts are a help."""
    if how.draft is None:
        return None, ""
    try:
        refused = compatible(read_vocabulary(how.path), read_vocabulary(how.draft))
        if refused:
            return None, f"{how.draft.stem} does not draft for {how.path.stem}: {refused}"
        checked = preflight(how.draft, target.context_tokens, int(free_memory_mb() * 2**20))
        # Its own batches need not be exact: the target verifies what it drafts.
        own = replace(how, path=how.draft, draft=None, strict=False)
        model = Model(checked, own)
        curve = _measured(model, own)
    except HolaError as exc:
        return None, f"{how.path.stem} answers without its draft model: {exc.sentence}"
    unit = curve.time(1) / measured.curve.time(1)
    costs = measured.curve.ratios(min(MOST_ROWS, measured.curve.widest, measured.exact_rows))
    if len(costs) < 3 or expected_gain(BEST_ACCEPTANCE, costs, unit)[0] <= 0:
        model.close()
        return None, (
            f"{how.draft.stem} does not draft for {how.path.stem}: on this computer one of its tokens takes "
            f"{unit:.2f} of the time that the model itself needs, which is too much to gain."
        )
    return DraftModel(model, curve, measured.curve.time(1), target.vocabulary), ""


def _measured(model: Model, how: LoadModel) -> CostCurve:
    """Return the cost curve of a draft model, which is freed if it can't be measured."""
    try:
        return calibrate(model, how).curve
    except HolaError:
        model.close()
        raise
