import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "build_tools"))

from running import Run  # noqa: E402


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)
