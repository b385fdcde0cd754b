# SPDX-License-Identifier: BSD-3-Clause
# install.cmake - libraries, headers, libvirtiommu.pc, the package that find_package(libvirtiommu) finds, and the pages of
# docs/ and examples/. Everything that is installed belongs to a component, which is a package (debian/rules): runtime, devel, or tools.
include(CMakePackageConfigHelpers)

install(TARGETS virtiommu virtiommu_static EXPORT libvirtiommu-targets
	LIBRARY COMPONENT runtime NAMELINK_COMPONENT devel
	ARCHIVE COMPONENT devel)
install(DIRECTORY include/libvirtiommu DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT devel
	FILES_MATCHING PATTERN "*.h")
install(FILES LICENSE README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT devel)
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs COMPONENT devel
	FILES_MATCHING PATTERN "*.md" PATTERN "*.svg" PATTERN models EXCLUDE)
# The sources of all examples, the format of tapes, and the two that the pages and scripts/demo show.
install(DIRECTORY examples/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT devel
	FILES_MATCHING PATTERN "*.[ch]" PATTERN "FORMAT.md" PATTERN "vtd-legacy-strict.tape.xz" PATTERN "virtio-strict.tape.xz")

# The prefix is found from where the .pc file lies, so that an installation can be moved.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
	set(pc_prefix ${CMAKE_INSTALL_PREFIX})
	set(pc_libdir ${CMAKE_INSTALL_FULL_LIBDIR})
	set(pc_includedir ${CMAKE_INSTALL_FULL_INCLUDEDIR})
else()
	file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
	string(REGEX REPLACE "/$" "" up ${up})
	set(pc_prefix "\${pcfiledir}/${up}")
	set(pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
	set(pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file(pkg-config.in libvirtiommu.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/libvirtiommu.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT devel)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/libvirtiommu)
configure_package_config_file(cmake/libvirtiommu-config.cmake.in libvirtiommu-config.cmake
	INSTALL_DESTINATION ${package})
write_basic_package_version_file(libvirtiommu-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/libvirtiommu-config.cmake
	${PROJECT_BINARY_DIR}/libvirtiommu-config-version.cmake DESTINATION ${package} COMPONENT devel)
install(EXPORT libvirtiommu-targets NAMESPACE libvirtiommu:: DESTINATION ${package} COMPONENT devel)
