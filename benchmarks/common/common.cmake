# What the programs of benchmarks/ and build_tools/probes share: layers, their gradients by plain loops, tensors that
# begin at a cache line, the machine's peak, and how many tasks a call has.
# Wants convgrad, nlohmann_json and Threads to be found.
include(${CMAKE_CURRENT_LIST_DIR}/../../problem/problem.cmake)
add_library(benchmarks_common STATIC ${CMAKE_CURRENT_LIST_DIR}/layer.cpp ${CMAKE_CURRENT_LIST_DIR}/fma_peak.cpp)
target_include_directories(benchmarks_common PUBLIC ${CMAKE_CURRENT_LIST_DIR})
target_compile_features(benchmarks_common PUBLIC cxx_std_17)
target_compile_options(benchmarks_common PRIVATE -Wall -Wextra)
target_link_libraries(benchmarks_common
  PUBLIC convgrad_problem convgrad::convgrad nlohmann_json::nlohmann_json Threads::Threads)

# The loops that measure the machine's peak, one file an instruction set; the rest starts on any machine.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  target_compile_definitions(benchmarks_common PRIVATE BENCHMARKS_X86_64=1)
  set(sse41_options -msse4.1)
  set(avx2_options -mavx2 -mfma)
  set(avx512_options -mavx512f)
  foreach(isa IN ITEMS sse41 avx2 avx512)
    target_sources(benchmarks_common PRIVATE ${CMAKE_CURRENT_LIST_DIR}/fma_peak_${isa}.cpp)
    set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/fma_peak_${isa}.cpp
      PROPERTIES COMPILE_OPTIONS "-O3;-ffp-contract=fast;${${isa}_options}")
  endforeach()
endif()
