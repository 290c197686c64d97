import measure
import numpy as np
import pytest

EXACT = {
    "places": [[0, 0, 0, 0], [0, 0, 0, 1]],
    "values": [1.0, -2.0],
    "magnitudes": [10.0, 20.0],
    "terms": [1000, 1000],
}


def result(first, second, dtype=np.float32):
    return np.array([first, second, 3], dtype).reshape(1, 1, 1, 3)


def test_right_elements():
    error, problem = measure.check_elements(result(1, -2), EXACT)
    assert (error, problem) == (0, "")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_error_within_the_bound_of_its_type_is_told(dtype):
    off = 0.5 * measure.bound(1000, np.finfo(dtype).eps) * 10
    error, problem = measure.check_elements(result(1 + off, -2, dtype), EXACT)
    assert problem == "" and error == pytest.approx(off / 10, rel=0.01)
    assert "instead of 1" in measure.check_elements(result(1 + 4 * off, -2, dtype), EXACT)[1]


@pytest.mark.parametrize("second, said", [(-2.5, "[0, 0, 0, 1] is -2.5 instead of -2"), (np.nan, "NaN")])
def test_a_wrong_element_is_named(second, said):
    assert said in measure.check_elements(result(1, second), EXACT)[1]


def test_an_element_that_was_not_sampled_is_seen_if_unwritten():
    made = result(1, -2)
    made[0, 0, 0, 2] = np.nan
    assert "1 elements are NaN" in measure.check_elements(made, EXACT)[1]


def test_whole_results_are_compared():
    assert measure.check_against(result(1, -2), result(1, -2.00001)) == ""
    assert "differs" in measure.check_against(result(1, -2, np.float64), result(1, -2.00001, np.float64))
    assert "differs" in measure.check_against(result(1, -2), result(1, -2.01))
    assert "differs" in measure.check_against(result(1, -2), result(1, np.nan))
