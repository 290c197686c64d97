# The processor that the library is for, by Halide's name for it (CONVGRAD_PROCESSOR), and the kernels that it can hold.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(CONVGRAD_PROCESSOR x86-64)
  set(CONVGRAD_BASELINE -march=x86-64)
  set(CONVGRAD_DEFAULT_TARGETS x86_64_avx512 x86_64_avx2 x86_64_sse41 cuda_sm80 opencl)
  # The schedules of AVX-512 with the AVX2 ISA; what only rows of single CPUs use.
  set(CONVGRAD_TEST_TARGETS x86_64_avx512_on_avx2 x86_64_avx2_as_tuned)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
  set(CONVGRAD_PROCESSOR arm-64)
  set(CONVGRAD_BASELINE -march=armv8-a)
  set(CONVGRAD_DEFAULT_TARGETS arm_64_neon cuda_sm80 opencl)
  set(CONVGRAD_TEST_TARGETS)
else()
  message(FATAL_ERROR "There are no kernels for the processor ${CMAKE_SYSTEM_PROCESSOR} (CMAKE_SYSTEM_PROCESSOR), "
    "only for x86_64 and aarch64.")
endif()
