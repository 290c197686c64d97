# From the rows in schedules/ to objects: one run of the generator and one object a kernel.

# What rows are read by, beside families' declarations.
set(CONVGRAD_DECLARATION_FILES runtime/ops.inc runtime/dtypes.inc runtime/sizes.inc runtime/kernel_facts.inc
  build_tools/declarations.py build_tools/kernel_rows.py)
set(CONVGRAD_KERNEL_DIR ${PROJECT_BINARY_DIR}/kernels)
file(MAKE_DIRECTORY ${CONVGRAD_KERNEL_DIR})
string(TOLOWER ${CMAKE_SYSTEM_NAME} CONVGRAD_HALIDE_OS)

# convgrad_add_tables(<name> TARGETS <target>... [HARDWARE <hardware>...])
# Defines in the caller CONVGRAD_<name>_TABLE_DIR (tables to include), _OBJECTS (kernel objects), _KERNELS (names)
# and _DEVICES (what they run on: CPU, CUDA, OPENCL).
function(convgrad_add_tables name)
  cmake_parse_arguments(ARG "" "" "TARGETS;HARDWARE" ${ARGN})
  set(dir ${PROJECT_BINARY_DIR}/tables/${name})
  list(TRANSFORM ARG_TARGETS PREPEND "--target=")
  list(TRANSFORM ARG_HARDWARE PREPEND "--hardware=")
  list(TRANSFORM CONVGRAD_DTYPES PREPEND "--dtype=" OUTPUT_VARIABLE dtypes)
  execute_process(
    COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/build_tools/kernel_rows.py ${ARG_TARGETS} ${ARG_HARDWARE} ${dtypes}
            --target-folder ${PROJECT_SOURCE_DIR}/tests/targets --filter=${CONVGRAD_KERNEL_FILTER}
            --processor ${CONVGRAD_PROCESSOR} --os ${CONVGRAD_HALIDE_OS} --output ${dir}
    RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "The rows of schedules/ could not be read.")
  endif()
  include(${dir}/kernels.cmake)
  file(GLOB declarations CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/schedules/families/*.inc
    ${PROJECT_SOURCE_DIR}/schedules/families/parts/*.inc)
  list(TRANSFORM CONVGRAD_DECLARATION_FILES PREPEND ${PROJECT_SOURCE_DIR}/)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CONVGRAD_ROW_FILES} ${declarations}
    ${CONVGRAD_DECLARATION_FILES})

  set(objects)
  foreach(kernel IN LISTS CONVGRAD_KERNELS)
    set(object ${CONVGRAD_KERNEL_DIR}/${kernel}${CMAKE_CXX_OUTPUT_EXTENSION})
    list(APPEND objects ${object})
    get_property(known GLOBAL PROPERTY CONVGRAD_KNOWN_KERNELS)
    if(NOT kernel IN_LIST known)
      set_property(GLOBAL APPEND PROPERTY CONVGRAD_KNOWN_KERNELS ${kernel})
      set(depends ${CONVGRAD_GENERATOR_DEPENDS})
      if(CONVGRAD_GENERATOR_STAMPS)
        set(depends ${CONVGRAD_GENERATOR_STAMPS}/${${kernel}_FAMILY}.stamp)
      endif()
      set(launches)  # a GPU kernel's, for check_ptx; one that is promised but not written makes Ninja start over each time
      set(strip)
      if(${kernel}_HALIDE_TARGET MATCHES "cuda|opencl")
        set(launches BYPRODUCTS ${CONVGRAD_KERNEL_DIR}/${kernel}.launches)
      else()
        # What Halide tells of a kernel's arguments, which nobody asks, and a compiler's name: 6% of a library. (On a GPU
        # the section also leads to the device's code.)
        set(strip COMMAND ${CMAKE_OBJCOPY} --strip-unneeded -R .comment -R .data.rel.ro -R .rela.data.rel.ro
                          -R .text.convgrad_kernel_${kernel}_metadata -R .rela.text.convgrad_kernel_${kernel}_metadata
                          ${object})
      endif()
      add_custom_command(
        OUTPUT ${object} ${CONVGRAD_KERNEL_DIR}/${kernel}.scratch.inc
        ${launches}
        COMMAND ${CONVGRAD_GENERATOR_COMMAND} -g ${${kernel}_GENERATOR} -n ${kernel} -f convgrad_kernel_${kernel}
                -e object -o ${CONVGRAD_KERNEL_DIR}
                target=${${kernel}_HALIDE_TARGET}
                scratch_file=${CONVGRAD_KERNEL_DIR}/${kernel}.scratch.inc
                launch_file=${CONVGRAD_KERNEL_DIR}/${kernel}.launches ${${kernel}_PARAMS}
        ${strip}
        DEPENDS ${depends}
        COMMENT "Kernel ${kernel}"
        VERBATIM)
    endif()
  endforeach()
  add_custom_target(convgrad_kernels_${name} DEPENDS ${objects})
  set(CONVGRAD_${name}_TABLE_DIR ${dir} PARENT_SCOPE)
  set(CONVGRAD_${name}_OBJECTS ${objects} PARENT_SCOPE)
  set(CONVGRAD_${name}_KERNELS ${CONVGRAD_KERNELS} PARENT_SCOPE)
  set(CONVGRAD_${name}_DEVICES ${CONVGRAD_DEVICES} PARENT_SCOPE)
endfunction()
