"""Problem files: what is read, and how a mistake in one is told."""

import json
import pathlib

import pytest
from problems import ProblemError, read_problems

NETWORKS = pathlib.Path(__file__).resolve().parents[2] / "data" / "networks.json"
LAYER = {"name": "a", "input_hwc": [8, 8, 3], "filter_hwio": [3, 3, 3, 4], "output_hwc": [8, 8, 4], "padding": "SAME"}


def written(tmp_path, content):
    path = tmp_path / "problems"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_networks():
    problems = read_problems(NETWORKS, 4, ["mobilenet_v2"])
    data = json.loads(NETWORKS.read_text())["mobilenet_v2"]
    assert len(problems) == len(data["layers"]) + len(data["grouped_layers"])
    first = problems[0]
    assert (first.input, first.filter, first.strides, first.padding) == ((4, 224, 224, 3), (3, 3, 3, 32), (2, 2), "SAME")
    assert problems[-1].groups > 1


def test_explicit_padding_and_a_layers_own_batch(tmp_path):
    path = written(tmp_path, {"net": {"batch": 2, "layers": [
        {**LAYER, "padding": [[0, 0], [3, 2], [1, 0], [0, 0]]}, {**LAYER, "batch": 7}]}})
    first, second = read_problems(path)
    assert first.padding == (3, 2, 1, 0)
    assert (first.input[0], second.input[0]) == (2, 7)
    assert [problem.input[0] for problem in read_problems(path, 5)] == [5, 5]


@pytest.mark.parametrize("change, text", [
    ({"padding": "same"}, 'layers[0]: padding is "same", expected "SAME", "VALID" or'),
    ({"input_hwc": [8, 8]}, "layers[0]: input_hwc is [8, 8], expected 3 integers from 0 on"),
    ({"filter_hwio": [3, 3, 0, 4]}, "filter_hwio is [3, 3, 0, 4], expected 4 integers from 1 on"),
    ({"strides": [1, True]}, "strides is [1, true], expected 2 integers from 1 on"),
    ({"stride": [1, 1]}, "unknown key stride; known are"),
    ({"filter_hwio": [3, 3, 1, 4]}, "the filter's 1 channels in each of 1 groups do not make the input's 3"),
])
def test_a_mistake_in_a_layer(tmp_path, change, text):
    path = written(tmp_path, {"net": {"layers": [{**LAYER, **change}]}})
    with pytest.raises(ProblemError) as error:
        read_problems(path)
    assert text in str(error.value)


def test_a_missing_key_and_a_broken_file(tmp_path):
    with pytest.raises(ProblemError, match="missing output_hwc"):
        read_problems(written(tmp_path, {"net": {"layers": [{k: v for k, v in LAYER.items() if k != "output_hwc"}]}}))
    with pytest.raises(ProblemError, match="line 2: "):
        read_problems(written(tmp_path, '{"net":\n {"layers": }}'))
    with pytest.raises(ProblemError, match="no network 'vgg'; there are net"):
        read_problems(written(tmp_path, {"net": {"layers": [LAYER]}}), None, ["vgg"])
    with pytest.raises(ProblemError, match="No such file"):
        read_problems(tmp_path / "nowhere")


def test_descriptors(tmp_path):
    path = written(tmp_path, '# resnet\nmb50ic64ih56oc64oh56kh3ph1n"resnet_50:res2a*2"\n\n'
                             'mb32_g32ic32oc32_ih112iw56oh56ow28kh3kw3sh2sw2dh0ph0_n"mobilenet:dw"\n')
    first, second = read_problems(path)
    assert first.name == "resnet_50:res2a" and first.count == 2
    assert (first.input, first.filter, first.output) == ((50, 56, 56, 64), (3, 3, 64, 64), (50, 56, 56, 64))
    assert (first.strides, first.dilations, first.padding, first.groups) == ((1, 1), (1, 1), (1, 1, 1, 1), 1)
    # The padding behind the image is what the output's size leaves.
    assert (second.input, second.filter, second.groups) == ((32, 112, 56, 32), (3, 3, 1, 32), 32)
    assert (second.padding, second.strides) == ((0, 1, 0, 1), (2, 2))


def test_a_dilation_counts_from_0(tmp_path):
    (problem,) = read_problems(written(tmp_path, "mb20ic4ih8oc6oh3kh3sh2ph1dh1"))
    assert (problem.dilations, problem.padding) == ((2, 2), (1, 0, 1, 0))
    (problem,) = read_problems(written(tmp_path, "mb20ic16ih1iw8oc6oh1kh1kw3sh1pw0ph0sw1dh0dw2"))
    assert problem.output == (20, 1, 2, 6)
    (problem,) = read_problems(written(tmp_path, "ic4iw8oc6kw3"))
    assert (problem.input, problem.output) == ((2, 8, 8, 4), (2, 6, 6, 6))


@pytest.mark.parametrize("line, text", [
    ("hello", "is no descriptor"),
    ("mb2ic3ih8oc4oh8kh3ph", "is no descriptor"),
    ("mb2ic3id4ih8oc4kh3", "unknown size id4"),
    ("mb2ic3ic4ih8oc4kh3", "ic is given twice"),
    ("mb2ih8oc4kh3", "lacks ic"),
    ("g2ic3ih8oc4kh3", "g is 2, expected a divisor of ic, which is 3"),
    ("ic3ih8oc4kh0", "is 0"),
])
def test_a_malformed_descriptor_is_refused_with_its_line(tmp_path, line, text):
    with pytest.raises(ProblemError) as error:
        read_problems(written(tmp_path, f"# one\nmb2ic3ih8oc4oh8kh3ph1\n{line}\n"))
    assert "problems, line 3: " in str(error.value) and text in str(error.value)
