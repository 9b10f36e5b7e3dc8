"""The driver, once its surroundings are set up."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.drda.driver import quiet_driver


@pytest.fixture
def driver() -> ModuleType:
    import ibm_db  # noqa: PLC0415 - a C library that not every platform has

    quiet_driver()
    module: ModuleType = ibm_db
    return module
