# `cmake --install`: the shared library, the headers of include/, the command, and what find_package(rwkv) reads. A project
# that uses it links rwkv::rwkv.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/rwkv")
set_target_properties(rwkv_mobile PROPERTIES EXPORT_NAME rwkv)
install(TARGETS rwkv_mobile EXPORT rwkv-targets)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
if(TARGET rwkv)
  install(TARGETS rwkv)
endif()
install(FILES LICENSE NOTICE DESTINATION "${CMAKE_INSTALL_DOCDIR}")

install(EXPORT rwkv-targets NAMESPACE rwkv:: FILE rwkv-config.cmake DESTINATION "${package_dir}")
# Before version 1 each minor version may change the interface.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/rwkv-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/rwkv-config-version.cmake" DESTINATION "${package_dir}")
