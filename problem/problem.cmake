# convgrad_problem: a problem and its text, for tests, tools and benchmarks. The program that links it brings the
# libconvgrad that says an output's shape, listed behind this one.
include_guard(GLOBAL)
add_library(convgrad_problem STATIC ${CMAKE_CURRENT_LIST_DIR}/problem.cpp)
target_include_directories(convgrad_problem
  PUBLIC ${CMAKE_CURRENT_LIST_DIR}/.. ${CMAKE_CURRENT_LIST_DIR}/../runtime/include)
target_compile_features(convgrad_problem PUBLIC cxx_std_17)
target_compile_options(convgrad_problem PRIVATE -Wall -Wextra)
