"""What a device's float32 units can do at most: independent multiply-adds on registers, nothing else."""

import ctypes

THREADS = 256  # a block
BLOCKS = 8  # a multiprocessor: 2048 threads, as many as any has
CHAINS = 8  # a thread: with 16 warps for each of four schedulers, far more than the 4 cycles that a result takes
UNROLLED = 32
ITERATIONS = 500  # about 1 ms

HOW = "multiply-adds on registers in a PTX kernel, measured beside each row"


def ptx():
    """fma_peak(float *out, int iterations): writes only if the sums are a value that they never are."""
    chains = range(CHAINS)
    step = "\n".join(f"  fma.rn.f32 %a{i}, %a{i}, %factor, %addend;" for i in chains)
    start = "\n".join(f"  add.f32 %a{i}, %seed, 0f{0x3F800000 + i:08X};" for i in chains)
    total = "\n".join(f"  add.f32 %a0, %a0, %a{i};" for i in chains[1:])
    return f""".version 7.0
.target sm_70
.address_size 64
.visible .entry fma_peak(.param .u64 out, .param .u32 iterations)
{{
  .reg .f32 %a<{CHAINS}>;
  .reg .f32 %factor, %addend, %seed;
  .reg .u32 %left, %thread;
  .reg .u64 %pointer;
  .reg .pred %again, %never;
  ld.param.u64 %pointer, [out];
  ld.param.u32 %left, [iterations];
  mov.u32 %thread, %tid.x;
  cvt.rn.f32.u32 %seed, %thread;
  mul.f32 %factor, %seed, 0f3A800000;
  mov.f32 %addend, 0f3F000000;
{start}
LOOP:
{chr(10).join([step] * UNROLLED)}
  sub.u32 %left, %left, 1;
  setp.ne.u32 %again, %left, 0;
  @%again bra LOOP;
{total}
  setp.eq.f32 %never, %a0, 0fC2F6E979;
  @%never st.global.f32 [%pointer], %a0;
  ret;
}}
"""


class FmaPeak:
    """run() enqueues `flops` FLOPs on the stream; out is the address of a float on the device."""

    def __init__(self, driver, multiprocessors, stream, out):
        self._driver, self._stream = driver, stream
        self._function = driver.load(ptx(), "fma_peak")
        self._blocks = BLOCKS * multiprocessors
        self._arguments = [ctypes.c_uint64(out), ctypes.c_uint32(ITERATIONS)]
        self.flops = 2 * self._blocks * THREADS * ITERATIONS * UNROLLED * CHAINS

    def run(self):
        self._driver.launch(self._function, self._blocks, THREADS, self._stream, self._arguments)
