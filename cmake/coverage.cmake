# SPDX-License-Identifier: BSD-3-Clause
# coverage.cmake - target coverage: runs all tests, prints the line coverage of lib/, and fails below
# VIOMMU_COVERAGE_MIN percent.
find_program(GCOVR gcovr)
if(NOT GCOVR)
	message(STATUS "coverage: gcovr not found, no target coverage")
	return()
endif()
add_custom_target(coverage
	COMMAND find ${PROJECT_BINARY_DIR} -name "*.gcda" -delete
	COMMAND ${CMAKE_CTEST_COMMAND} --test-dir ${PROJECT_BINARY_DIR} --output-on-failure --no-tests=error -j 2
	COMMAND ${GCOVR} --root ${PROJECT_SOURCE_DIR} --filter ${PROJECT_SOURCE_DIR}/lib/
		--object-directory ${PROJECT_BINARY_DIR} --fail-under-line ${VIOMMU_COVERAGE_MIN} ${PROJECT_BINARY_DIR}
	WORKING_DIRECTORY ${PROJECT_BINARY_DIR} USES_TERMINAL VERBATIM)
add_dependencies(coverage tests)
