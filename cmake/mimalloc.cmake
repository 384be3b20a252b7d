# mimalloc: the target `mimalloc`, which libjt.so links privately.
#
# Its source, which scripts/setup fetches, becomes a part of libjt.so: it reads no environment and so prints nothing. The system's library
# does where that is missing; its constructor obeys MIMALLOC_* before anybody can tell it not to.
option(JT_SYSTEM_MIMALLOC "link the system's mimalloc, which reads MIMALLOC_*, though its source is there" OFF)
set(archive ${PROJECT_SOURCE_DIR}/third_party/mimalloc_2.0.9+ds.orig.tar.xz)
set(sha256 cbc9d207ff105ad1f0cb739c378076143a6452b8d0624309cea0abfb040e972b)
if(JT_SYSTEM_MIMALLOC OR NOT EXISTS ${archive})
  find_package(mimalloc REQUIRED)
  message(STATUS "mimalloc: the system's, which reads MIMALLOC_* of the environment; scripts/setup fetches the source of one that does not")
  return()
endif()

file(SHA256 ${archive} found)
if(NOT found STREQUAL sha256)
  message(FATAL_ERROR "${archive} is not what it should be: SHA-256 ${found}, expected ${sha256}")
endif()
set(unpacked ${PROJECT_BINARY_DIR}/third_party)
set(source ${unpacked}/mimalloc-2.0.9+ds)
if(NOT EXISTS ${source}/src/static.c)
  file(ARCHIVE_EXTRACT INPUT ${archive} DESTINATION ${unpacked})
endif()
add_library(mimalloc STATIC ${source}/src/static.c)
target_include_directories(mimalloc SYSTEM PUBLIC ${source}/include PRIVATE ${source}/src)
# MI_SHARED_LIB: nothing is collected when the process ends, as other threads may still run then. Its own model for threads' variables
# (initial-exec) would be libjt.so's, whose variables are too many for a host that loads it late.
target_compile_definitions(mimalloc PRIVATE NDEBUG MI_DEBUG=0 MI_NO_GETENV MI_SHARED_LIB)
target_compile_options(mimalloc PRIVATE -w -O2 -fno-builtin-malloc)
target_link_libraries(mimalloc PRIVATE Threads::Threads)
set_target_properties(mimalloc PROPERTIES C_STANDARD 11 C_EXTENSIONS ON)
