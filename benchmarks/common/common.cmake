# What the programs of benchmarks/ and build_tools/probes share: layers, their gradients by plain loops, tensors that
# begin at a cache line, the machine's peak, and how many tasks a call has.
# Wants convgrad, nlohmann_json and Threads to be found.
add_library(benchmarks_common STATIC ${CMAKE_CURRENT_LIST_DIR}/layer.cpp ${CMAKE_CURRENT_LIST_DIR}/fma_peak.cpp)
target_include_directories(benchmarks_common PUBLIC ${CMAKE_CURRENT_LIST_DIR})
target_compile_features(benchmarks_common PUBLIC cxx_std_17)
target_compile_options(benchmarks_common PRIVATE -Wall -Wextra)
target_link_libraries(benchmarks_common PUBLIC convgrad::convgrad nlohmann_json::nlohmann_json Threads::Threads)

# The loops that measure the machine's peak, one file an instruction set; the rest starts on any machine.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  target_compile_definitions(benchmarks_common PRIVATE BENCHMARKS_X86_64=1)
  foreach(isa IN ITEMS sse41 avx2 avx512)
    target_sources(benchmarks_common PRIVATE ${CMAKE_CURRENT_LIST_DIR}/fma_peak_${isa}.cpp)
  endforeach()
  set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/fma_peak_sse41.cpp PROPERTIES COMPILE_OPTIONS "-O3;-msse4.1")
  set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/fma_peak_avx2.cpp PROPERTIES COMPILE_OPTIONS "-O3;-mavx2;-mfma")
  set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/fma_peak_avx512.cpp PROPERTIES COMPILE_OPTIONS "-O3;-mavx512f")
endif()
