# find_package(memalloc) defines
#   memalloc::memalloc  the allocator: link a program with it, and its malloc,
#                       free, new and delete are memalloc's
#   memalloc::headers   memalloc.h alone, for libraries
#   memalloc::compat    calls of jemalloc and tcmalloc, for who uses them; link
#                       memalloc::memalloc too
# and sets memalloc_PRELOAD to the path of memalloc.so, for LD_PRELOAD.

get_filename_component(_memalloc_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.."
                       ABSOLUTE)
set(memalloc_PRELOAD "${_memalloc_prefix}/lib/memalloc.so")

if(NOT TARGET memalloc::headers)
  add_library(memalloc::headers INTERFACE IMPORTED)
  set_target_properties(memalloc::headers PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${_memalloc_prefix}/include")
endif()

find_package(Threads REQUIRED)

if(NOT TARGET memalloc::memalloc)
  add_library(memalloc::memalloc INTERFACE IMPORTED)
  # All of the archive, as nothing but the program's calls of malloc asks for
  # it.
  set_target_properties(memalloc::memalloc PROPERTIES
    INTERFACE_LINK_LIBRARIES
      "memalloc::headers;-Wl,--whole-archive;${_memalloc_prefix}/lib/libmemalloc.a;-Wl,--no-whole-archive;Threads::Threads")
endif()

if(NOT TARGET memalloc::compat)
  add_library(memalloc::compat INTERFACE IMPORTED)
  set_target_properties(memalloc::compat PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${_memalloc_prefix}/include/memalloc/compat"
    INTERFACE_LINK_LIBRARIES
      "memalloc::headers;${_memalloc_prefix}/lib/libmemalloc_compat.a;Threads::Threads")
endif()

unset(_memalloc_prefix)
