# The processor that the library is for, by Halide's name for it (CONVGRAD_PROCESSOR), and the kernels that it can hold.
if(APPLE AND CMAKE_OSX_ARCHITECTURES)
  set(processor ${CMAKE_OSX_ARCHITECTURES})
else()
  set(processor ${CMAKE_SYSTEM_PROCESSOR})
endif()
if(processor MATCHES "^(x86_64|AMD64|amd64)$")
  set(CONVGRAD_PROCESSOR x86-64)
  set(CONVGRAD_BASELINE -march=x86-64)
  set(CONVGRAD_DEFAULT_TARGETS x86_64_avx512 x86_64_avx2 x86_64_sse41 cuda_sm80 opencl)
  set(CONVGRAD_TEST_TARGETS x86_64_avx512_on_avx2)  # the schedules of AVX-512 with the AVX2 ISA
  set(CONVGRAD_TEST_HARDWARE intel_icelake_server)  # so far the only rows with Winograd kernels
elseif(processor MATCHES "^(aarch64|arm64|ARM64)$")
  set(CONVGRAD_PROCESSOR arm-64)
  set(CONVGRAD_BASELINE -march=armv8-a)
  set(CONVGRAD_DEFAULT_TARGETS arm_64_neon cuda_sm80 opencl)
  set(CONVGRAD_TEST_TARGETS)
  set(CONVGRAD_TEST_HARDWARE)
else()
  message(FATAL_ERROR "There are no kernels for the processor ${processor} (CMAKE_SYSTEM_PROCESSOR), "
    "only for x86_64 and aarch64.")
endif()
