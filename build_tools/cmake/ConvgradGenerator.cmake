# The generator runs on the machine that builds, whatever the kernels are for. Defines in the caller's scope
#   CONVGRAD_GENERATOR_COMMAND          what runs it
#   CONVGRAD_GENERATOR_DEPENDS          what kernels are rebuilt for, but for
#   CONVGRAD_GENERATOR_STAMPS           the folder of <family>.stamp, where there is one: those of a family are rebuilt for it
#   CONVGRAD_HALIDE_RUNTIME_INCLUDE_DIR the folder of HalideRuntime.h: all that the library itself needs of Halide

set(CONVGRAD_GENERATOR "" CACHE FILEPATH
  "A convgrad_generator that runs on this machine; empty: it is built, when cross-compiling by a nested build")

if(CMAKE_CROSSCOMPILING)
  # Not find_package(Halide): its libraries are the building machine's.
  find_path(CONVGRAD_HALIDE_RUNTIME_INCLUDE_DIR HalideRuntime.h
    HINTS ${Halide_DIR}/../../../include ${Halide_DIR}/../../../../include NO_CMAKE_FIND_ROOT_PATH
    DOC "The folder of HalideRuntime.h, of Halide 21.0.0")
  if(NOT CONVGRAD_HALIDE_RUNTIME_INCLUDE_DIR)
    message(FATAL_ERROR "There is no HalideRuntime.h. Set CMAKE_PREFIX_PATH to where Halide 21.0.0 for this machine is, "
      "or Halide_DIR to the folder of its HalideConfig.cmake.")
  endif()
else()
  find_package(Halide 21.0.0 EXACT REQUIRED)
  get_target_property(CONVGRAD_HALIDE_RUNTIME_INCLUDE_DIR Halide::Runtime INTERFACE_INCLUDE_DIRECTORIES)
endif()

if(CONVGRAD_GENERATOR)
  if(NOT EXISTS ${CONVGRAD_GENERATOR})
    message(FATAL_ERROR "CONVGRAD_GENERATOR is ${CONVGRAD_GENERATOR}, which does not exist. It is the executable "
      "convgrad_generator of a build for this machine: cmake --preset release && "
      "cmake --build --preset release --target convgrad_generator")
  endif()
  set(CONVGRAD_GENERATOR_COMMAND ${CONVGRAD_GENERATOR})
  set(CONVGRAD_GENERATOR_DEPENDS ${CONVGRAD_GENERATOR})
  get_filename_component(stamps ${CONVGRAD_GENERATOR} DIRECTORY)
  file(GLOB found ${stamps}/*.stamp)
  if(found)
    set(CONVGRAD_GENERATOR_STAMPS ${stamps})
  endif()
elseif(CMAKE_CROSSCOMPILING)
  include(ExternalProject)
  set(host_dir ${PROJECT_BINARY_DIR}/host)
  set(CONVGRAD_GENERATOR_COMMAND ${host_dir}/generators/convgrad_generator)
  set(CONVGRAD_GENERATOR_DEPENDS convgrad_host_generator ${CONVGRAD_GENERATOR_COMMAND})
  set(host_options)
  foreach(variable IN ITEMS Halide_DIR HalideHelpers_DIR Python3_EXECUTABLE)
    if(${variable})
      list(APPEND host_options -D${variable}=${${variable}})
    endif()
  endforeach()
  list(JOIN CMAKE_PREFIX_PATH "|" prefix_path)
  # Its own compilers are found anew: this build's are for another processor.
  ExternalProject_Add(convgrad_host_generator
    SOURCE_DIR ${PROJECT_SOURCE_DIR}
    BINARY_DIR ${host_dir}
    LIST_SEPARATOR "|"
    CMAKE_ARGS -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH=${prefix_path} ${host_options}
    BUILD_COMMAND ${CMAKE_COMMAND} --build ${host_dir} --target convgrad_generator
    BUILD_BYPRODUCTS ${CONVGRAD_GENERATOR_COMMAND}
    BUILD_ALWAYS ON  # it looks itself whether a source has changed
    INSTALL_COMMAND "")
else()
  set(CONVGRAD_GENERATOR_COMMAND convgrad_generator)
  set(CONVGRAD_GENERATOR_DEPENDS convgrad_generator)
  set(CONVGRAD_GENERATOR_STAMPS ${PROJECT_BINARY_DIR}/generators)
  add_subdirectory(${PROJECT_SOURCE_DIR}/generators generators)
endif()
