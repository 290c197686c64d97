import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "build_tools"))

from running import ENVIRONMENT, HERE, ROOT, Run  # noqa: E402


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


@pytest.fixture(scope="session")
def python_of_tuner():
    """The Python of the environment that build_tools/tune makes, before it looks at what it was asked."""
    subprocess.run([ROOT / "build_tools/tune", "--problems", "none", "--target", "none"], capture_output=True,
                   env={**os.environ, "CONVGRAD_GENERATOR": str(HERE / "fake_generator")})
    return ENVIRONMENT
