"""Problem files: what is read, and how a mistake in one is told."""

import json
import pathlib

import pytest
from problems import Problem, ProblemError, parse, read_problems

NETWORKS = pathlib.Path(__file__).resolve().parents[2] / "data" / "networks.json"
LAYER = {"name": "a", "input_hwc": [8, 8, 3], "filter_hwio": [3, 3, 3, 4], "output_hwc": [8, 8, 4], "padding": "SAME"}


TEXT = "conv2d_backprop_filter f32 n2 h7 w9 c5 r3x3 k4 s2x1 d1x1 p1,0,1,1 g1 NHWC"


def test_the_text_of_a_problem():
    op, problem = parse(TEXT)
    assert op == "conv2d_backprop_filter" and problem.text(op) == TEXT
    assert problem == Problem(input=(2, 7, 9, 5), filter=(3, 3, 5, 4), strides=(2, 1), dilations=(1, 1), padding=(1, 0, 1, 1),
                              groups=1, dtype="f32", data_format="NHWC", name="names do not count")


@pytest.mark.parametrize("text, whole", [
    ("conv2d", "conv2d f32 n1 h1 w1 c1 r1x1 k1 s1x1 d1x1 pVALID g1 NHWC"),
    ("conv2d_backprop_input NCHW pSAME g4 k8 c4 f64 r5x3",
     "conv2d_backprop_input f64 n1 h1 w1 c4 r5x3 k8 s1x1 d1x1 pSAME g4 NCHW"),
])
def test_what_a_text_leaves_out_has_a_default_and_the_order_is_free(text, whole):
    op, problem = parse(text)
    assert problem.text(op) == whole and parse(whole) == (op, problem)


def test_every_problem_of_the_networks_is_read_back():
    problems = read_problems(NETWORKS) + read_problems(NETWORKS, 3, dtype="f64")
    for problem in problems:
        assert parse(problem.text("conv2d_backprop_input")) == ("conv2d_backprop_input", problem)
    assert len({problem.text("conv2d") for problem in problems}) > 100


@pytest.mark.parametrize("text, error", [
    ("", "'' of the problem '': expected an op first: conv2d, conv2d_backprop_input, conv2d_backprop_filter"),
    ("backprop_input n2", "'backprop_input' of the problem 'backprop_input n2': expected an op first"),
    ("conv2d f8", "'f8' of the problem 'conv2d f8': expected f32, f64, f16, bf16, NHWC, NCHW, or one that begins with n, h"),
    ("conv2d r3", "'r3' of the problem 'conv2d r3': expected r<rows>x<columns>"),
    ("conv2d n2 h", "'h' of the problem 'conv2d n2 h': expected h<a number from 0 on>"),
    ("conv2d c0", "expected c<a number from 1 on>"),
    ("conv2d s1x-1", "expected s<rows>x<columns> from 1 on"),
    ("conv2d p1,2,3", "expected pSAME, pVALID or p<top>,<bottom>,<left>,<right>"),
    ("conv2d psame", "expected pSAME, pVALID or p<top>,<bottom>,<left>,<right>"),
    ("conv2d n2 n3", "'n3' of the problem 'conv2d n2 n3': it was given before"),
    ("conv2d f32 f64", "'f64' of the problem 'conv2d f32 f64': it was given before"),
    ("conv2d c6 k4 g4", "'g4' of the problem 'conv2d c6 k4 g4': expected a divisor of c, which is 6"),
    ("conv2d 2 7 9 5 3 3 5 4 2 1 1 1 SAME", "'2' of the problem"),
])
def test_a_word_that_is_wrong_is_named(text, error):
    with pytest.raises(ProblemError) as raised:
        parse(text)
    assert error in str(raised.value)


def test_element_type_and_data_format_of_a_network_or_a_layer(tmp_path):
    path = written(tmp_path, {"net": {"dtype": "f64", "data_format": "NCHW", "layers": [LAYER, {**LAYER, "dtype": "f32"}]}})
    assert [(p.dtype, p.data_format) for p in read_problems(path)] == [("f64", "NCHW"), ("f32", "NCHW")]
    assert [p.dtype for p in read_problems(path, dtype="f32")] == ["f32", "f32"]
    (problem,) = read_problems(written(tmp_path, "ic4iw8oc6kw3"), dtype="f64")
    assert problem.dtype == "f64"


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
    ({"dtype": "float"}, 'dtype is "float", expected one of f32, f64, f16, bf16'),
    ({"data_format": "NC"}, 'data_format is "NC", expected one of NHWC, NCHW'),
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
