"""What every test needs: no screen, and no complaint of the screenless platform about itself."""

from __future__ import annotations

import os

import pytest

os.environ["QT_QPA_PLATFORM"] = "offscreen"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # The platform without a screen says this of every window with a least size.
        item.add_marker(pytest.mark.qt_log_ignore("This plugin does not support propagateSizeHints"))
