"""convgrad_ctypes' structures are the header's: those of struct_layout.txt, which tests/install/check holds to it."""

import ctypes
import pathlib

import ours  # noqa: F401, for where convgrad_ctypes is
import convgrad_ctypes as convgrad

LAYOUT = pathlib.Path(__file__).resolve().parents[1] / "install" / "struct_layout.txt"

STRUCTURES = {
    "convgrad_conv2d_attrs": convgrad.Attrs,
    "convgrad_tensor": convgrad.Tensor,
    "convgrad_context_options": convgrad.ContextOptions,
    "convgrad_kernel_info": convgrad.KernelInfo,
}


def test_structures_have_the_header_s_layout():
    lines = []
    for name, structure in STRUCTURES.items():
        lines.append(f"{name} {ctypes.sizeof(structure)}")
        for field, _ in structure._fields_:
            place = getattr(structure, field)
            lines.append(f"  {field} {place.offset} {place.size}")
    assert lines == [line for line in LAYOUT.read_text().splitlines() if not line.startswith("#")]


def test_kernels():
    kernels = convgrad.kernels()
    assert len(kernels) > 0
    for kernel in kernels:
        dtype = ("f32", "f64")[kernel.dtype]
        assert kernel.name.decode().startswith(f"{convgrad.OPS[kernel.op]}_{dtype}_{kernel.target.decode()}_")
