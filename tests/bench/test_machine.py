import socket

import machine


def test_parse_cpu_list():
    assert machine.parse_cpu_list("0\n") == {0}
    assert machine.parse_cpu_list("0,4-6") == {0, 4, 5, 6}


def test_one_cpu_a_core():
    neighbours = {0: {0, 2}, 2: {0, 2}, 1: {1, 3}, 3: {1, 3}}
    assert machine.one_cpu_a_core({0, 1, 2, 3}, neighbours.get) == [0, 1]
    assert machine.one_cpu_a_core({2, 3}, neighbours.get) == [2, 3]


def test_description_has_no_host_name():
    described = machine.description()
    assert described["cpu"] and described["cores"] >= 1 and described["os"]
    host = socket.gethostname()
    if host and host not in ("localhost", "debian", "ubuntu"):
        assert host not in described.values()
