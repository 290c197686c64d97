"""build_tools/model_problems on models of Keras and PyTorch, by the Python that has them."""

import json
import os
import pathlib
import subprocess

import pytest
from problems import read_problems

ROOT = pathlib.Path(__file__).resolve().parents[2]

TORCH_NET = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.same = torch.nn.Conv2d(8, 8, (2, 4), padding="same", groups=8)
        self.again = torch.nn.Conv2d(8, 8, (2, 4), padding="same", groups=8)
        self.up = torch.nn.ConvTranspose2d(8, 4, 2, stride=2)

    def forward(self, x):
        return self.up(self.again(self.same(self.first(x))))
"""


def python_with(framework):
    python = os.environ.get(f"CONVGRAD_{framework.upper()}_PYTHON", "")
    if not pathlib.Path(python).exists():
        pytest.skip(f"no Python with {framework} at {python!r} (build_tools/bench --peers {framework} puts one there)")
    return python


def model_problems(framework, tmp_path, *arguments):
    return subprocess.run([python_with(framework), ROOT / "build_tools/model_problems", *arguments], cwd=tmp_path,
                          capture_output=True, text=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})


def test_keras_mobilenet_v2(tmp_path):
    made = model_problems("keras", tmp_path, "--keras", "keras.applications:MobileNetV2", "--batch", "4", "--name", "net",
                          "--output", "problems.json")
    assert made.returncode == 0, made.stderr
    ours = json.loads((tmp_path / "problems.json").read_text())["net"]
    known = json.loads((ROOT / "data/networks.json").read_text())["mobilenet_v2"]
    assert (ours["layers"], ours["grouped_layers"]) == (known["layers"], known["grouped_layers"])
    assert {problem.input[0] for problem in read_problems(tmp_path / "problems.json")} == {4}


def test_torch(tmp_path):
    (tmp_path / "my_net.py").write_text(TORCH_NET)
    made = model_problems("torch", tmp_path, "--torch", "my_net:Net", "--input", "3,32,40", "--batch", "2", "--output",
                          "problems.json")
    assert made.returncode == 0, made.stderr
    first, up, same = read_problems(tmp_path / "problems.json")
    assert (first.input, first.filter, first.output, first.padding) == ((2, 32, 40, 3), (3, 3, 3, 8), (2, 16, 20, 8), (1, 1, 1, 1))
    # The convolution that a transposed one transposes.
    assert (up.input, up.filter, up.output, up.strides) == ((2, 32, 40, 4), (2, 2, 4, 8), (2, 16, 20, 8), (2, 2))
    assert (same.groups, same.count, same.filter, same.padding) == (8, 2, (2, 4, 1, 8), (0, 1, 1, 2))


@pytest.mark.parametrize("framework, arguments, text", [
    ("torch", ("--torch", "my_net:Net"), "--torch needs --input CHANNELS,HEIGHT,WIDTH"),
    ("torch", ("--torch", "my_net:Nothing", "--input", "3,8,8"), "my_net:Nothing: module 'my_net' has no attribute"),
    ("keras", ("--keras", "nowhere.keras"), "'nowhere.keras' is neither a file nor MODULE:NAME"),
    ("keras", ("--keras", "keras.applications:MobileNetV2", "--batch", "0"), "--batch is 0, expected an integer above 0"),
])
def test_mistakes(tmp_path, framework, arguments, text):
    (tmp_path / "my_net.py").write_text(TORCH_NET)
    made = model_problems(framework, tmp_path, *arguments)
    assert made.returncode != 0 and text in made.stderr, made.stderr
