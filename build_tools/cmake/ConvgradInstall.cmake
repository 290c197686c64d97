# Installs the library, its header, the CMake package and convgrad.pc.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS convgrad EXPORT convgrad
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${PROJECT_SOURCE_DIR}/runtime/include/convgrad/convgrad.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/convgrad)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/convgrad)
install(EXPORT convgrad NAMESPACE convgrad:: FILE convgrad-targets.cmake DESTINATION ${package_dir})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/convgrad-config.cmake.in
  ${PROJECT_BINARY_DIR}/convgrad-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/convgrad-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/convgrad-config.cmake ${PROJECT_BINARY_DIR}/convgrad-config-version.cmake
  DESTINATION ${package_dir})

if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  message(FATAL_ERROR "CMAKE_INSTALL_LIBDIR is ${CMAKE_INSTALL_LIBDIR}, expected a path below the prefix: the package moves with it")
endif()
file(RELATIVE_PATH CONVGRAD_PC_TO_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
set(CONVGRAD_PC_DL)
if(NOT CONVGRAD_library_DEVICES STREQUAL CPU AND CMAKE_DL_LIBS)
  set(CONVGRAD_PC_DL " -l${CMAKE_DL_LIBS}")
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/convgrad.pc.in ${PROJECT_BINARY_DIR}/convgrad.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/convgrad.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
