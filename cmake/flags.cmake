# SPDX-License-Identifier: BSD-3-Clause
# flags.cmake - the language, the warnings and the instrumentation of everything in this tree.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

# Every target of ours links this.
add_library(viommu_flags INTERFACE)
target_compile_options(viommu_flags INTERFACE -Wall -Wextra -Wconversion -Wshadow)
if(VIOMMU_WERROR)
	# Not for sanitizers: they make gcc warn about good code.
	target_compile_options(viommu_flags INTERFACE -Werror)
endif()

set(instrument "")
if(VIOMMU_SANITIZE STREQUAL "address")
	set(instrument -fsanitize=address,undefined)
elseif(VIOMMU_SANITIZE STREQUAL "thread")
	set(instrument -fsanitize=thread)
elseif(VIOMMU_SANITIZE STREQUAL "fuzzer")
	# The fuzzers add -fsanitize=fuzzer, which has the main function, when they are linked.
	set(instrument -fsanitize=fuzzer-no-link,address,undefined)
elseif(VIOMMU_SANITIZE)
	message(FATAL_ERROR "VIOMMU_SANITIZE is address, thread, fuzzer or nothing")
endif()
if(instrument)
	add_compile_options(${instrument} -fno-sanitize-recover=all -fno-omit-frame-pointer -O1)
	add_link_options(${instrument})
endif()
if(VIOMMU_COVERAGE)
	# atomic: counters of the thread tests would go wrong without it.
	add_compile_options(--coverage -fprofile-update=atomic)
	add_link_options(--coverage)
endif()

# What instrumented programs run under. Sanitizers map their shadow at fixed addresses, where newer kernels
# (vm.mmap_rnd_bits = 32) put the program itself now and then; setarch -R turns that randomness off. It is left
# out where it is missing or not permitted, as in some containers.
# Programs for another processor run under its emulator.
set(VIOMMU_RUN "")
if(CMAKE_CROSSCOMPILING)
	set(VIOMMU_RUN ${CMAKE_CROSSCOMPILING_EMULATOR})
endif()
if(VIOMMU_SANITIZE)
	execute_process(COMMAND setarch -R true RESULT_VARIABLE refused OUTPUT_QUIET ERROR_QUIET)
	if(refused EQUAL 0)
		set(VIOMMU_RUN setarch -R)
	endif()
endif()
