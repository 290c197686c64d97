# From the runtime's sources and kernel objects to a library.

set(CONVGRAD_EXPORTED_SYMBOLS ${PROJECT_SOURCE_DIR}/runtime/exported_symbols.txt)

# convgrad_add_library(<target> TABLES <name> [STATIC|SHARED] [PREFIXED] [SANITIZERS <list>])
# PREFIXED: after archiving, every global symbol without the prefix convgrad_ gets it (Halide's runtime functions and the
# runtime's own C++), so that an app may hold its own Halide code and functions of any name.
function(convgrad_add_library target)
  cmake_parse_arguments(ARG "STATIC;SHARED;PREFIXED" "TABLES;SANITIZERS" "" ${ARGN})
  set(type)
  if(ARG_STATIC)
    set(type STATIC)
  elseif(ARG_SHARED)
    set(type SHARED)
  endif()
  set(sources ${CONVGRAD_RUNTIME_SOURCES})
  foreach(device IN LISTS CONVGRAD_${ARG_TABLES}_DEVICES)
    list(APPEND sources ${CONVGRAD_RUNTIME_${device}_SOURCES})
  endforeach()
  list(REMOVE_DUPLICATES sources)
  add_library(${target} ${type} ${sources} ${CONVGRAD_${ARG_TABLES}_OBJECTS})
  add_dependencies(${target} convgrad_kernels_${ARG_TABLES})
  set_target_properties(${target} PROPERTIES
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
    POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    DEFINE_SYMBOL CONVGRAD_SHARED_LIBRARY  # ends its threads when it is unloaded
    # Whatever a project around this one sets: objcopy renames in machine code only, and the tables share names.
    INTERPROCEDURAL_OPTIMIZATION OFF UNITY_BUILD OFF)
  target_compile_features(${target} PRIVATE cxx_std_17)
  # No exceptions, no RTTI, no guarded statics: a C program links the archive without a C++ standard library.
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions -fno-rtti -fno-threadsafe-statics> -fno-lto -Wall -Wextra)
  target_compile_options(${target} PRIVATE ${CONVGRAD_BASELINE})  # what detects and chooses starts anywhere
  target_include_directories(${target}
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/runtime/include>
    PRIVATE ${PROJECT_SOURCE_DIR}/runtime ${CONVGRAD_${ARG_TABLES}_TABLE_DIR} ${CONVGRAD_KERNEL_DIR}
            ${CONVGRAD_HALIDE_RUNTIME_INCLUDE_DIR})
  target_link_libraries(${target} PUBLIC Threads::Threads)
  if(NOT CONVGRAD_${ARG_TABLES}_DEVICES STREQUAL CPU)
    target_link_libraries(${target} PUBLIC ${CMAKE_DL_LIBS})  # drivers are loaded with dlopen, which old C libraries have apart
  endif()
  if(ARG_SANITIZERS)
    target_compile_options(${target} PUBLIC -fsanitize=${ARG_SANITIZERS} -fno-sanitize-recover=all -g)
    target_link_options(${target} PUBLIC -fsanitize=${ARG_SANITIZERS})
  endif()

  get_target_property(built_type ${target} TYPE)
  if(built_type STREQUAL SHARED_LIBRARY)
    convgrad_export_only(${target} ${CONVGRAD_EXPORTED_SYMBOLS})
  elseif(ARG_PREFIXED)
    add_custom_command(TARGET ${target} POST_BUILD
      COMMAND ${PROJECT_SOURCE_DIR}/build_tools/prefix_symbols $<TARGET_FILE:${target}> ${CMAKE_NM} ${CMAKE_OBJCOPY}
      VERBATIM)
  else()  # tests look inside
    target_include_directories(${target} INTERFACE ${PROJECT_SOURCE_DIR}/runtime ${CONVGRAD_${ARG_TABLES}_TABLE_DIR})
  endif()
endfunction()

# Exports the functions that the list names and nothing else, and leaves no symbol undefined.
function(convgrad_export_only target list)
  file(STRINGS ${list} functions REGEX "^convgrad_")
  list(JOIN functions ";\n    " functions)
  set(script ${PROJECT_BINARY_DIR}/${target}.version)
  file(CONFIGURE OUTPUT ${script} CONTENT "{\n  global:\n    @functions@;\n  local: *;\n};\n" @ONLY)
  target_link_options(${target} PRIVATE -Wl,--version-script=${script} -Wl,-Bsymbolic)
  if(NOT CMAKE_CXX_FLAGS MATCHES "-fsanitize")  # sanitizers leave their runtime to the executable
    target_link_options(${target} PRIVATE -Wl,--no-undefined)
  endif()
  set_target_properties(${target} PROPERTIES LINK_DEPENDS ${script})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${list})
endfunction()

# Lists the kernels when configuring, and says how large the library is when it is built.
function(convgrad_report target)
  list(LENGTH CONVGRAD_library_KERNELS count)
  list(JOIN CONVGRAD_library_KERNELS "\n--   " names)
  message(STATUS "${count} kernels in ${target}:\n--   ${names}")
  add_custom_command(TARGET ${target} POST_BUILD
    COMMAND ${CMAKE_COMMAND} -DLIBRARY=$<TARGET_FILE:${target}> -DKERNELS=${count}
            -P ${PROJECT_SOURCE_DIR}/build_tools/cmake/report_size.cmake
    VERBATIM)
endfunction()
