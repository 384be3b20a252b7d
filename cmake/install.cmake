# install: the target jt -> a prefix that find_package(jt) and pkg-config find, wherever it is moved to.
#
# Included once the target exists. libjt_tcc.so, which libjt.so opens when it needs it, installs itself.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/jt)
set(package_build_dir ${PROJECT_BINARY_DIR}/package)

add_library(jt::jt ALIAS jt)
target_include_directories(jt INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
install(TARGETS jt EXPORT jtTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/capi/include/jt DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
# Headers made at build time, if there are any.
install(DIRECTORY ${PROJECT_BINARY_DIR}/capi/include/jt DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} OPTIONAL
  FILES_MATCHING PATTERN "*.h")

install(EXPORT jtTargets NAMESPACE jt:: DESTINATION ${package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/jtConfig.cmake.in ${package_build_dir}/jtConfig.cmake
  INSTALL_DESTINATION ${package_dir})
# Before 1.0 a minor version may change the ABI.
write_basic_package_version_file(${package_build_dir}/jtConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${package_build_dir}/jtConfig.cmake ${package_build_dir}/jtConfigVersion.cmake DESTINATION ${package_dir})

# Paths below the prefix are written relative to the .pc file, so that the prefix can move.
file(RELATIVE_PATH JT_PC_TO_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
foreach(kind LIBDIR INCLUDEDIR)
  cmake_path(IS_ABSOLUTE CMAKE_INSTALL_${kind} is_absolute)
  set(JT_PC_${kind} ${CMAKE_INSTALL_${kind}})
  if(NOT is_absolute)
    string(PREPEND JT_PC_${kind} "\${prefix}/")
  endif()
endforeach()
configure_file(${PROJECT_SOURCE_DIR}/cmake/jt.pc.in ${package_build_dir}/jt.pc @ONLY)
install(FILES ${package_build_dir}/jt.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
