# Options for every target, our own and third-party, and `rwkv_warnings` for ours.

if(MSVC)
  add_compile_options(/utf-8 /bigobj $<$<COMPILE_LANGUAGE:CXX>:/Zc:__cplusplus>)
else()
  # Build paths do not belong in a shipped library.
  add_compile_options(-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)
  add_compile_options(-fvisibility=hidden $<$<COMPILE_LANGUAGE:CXX>:-fvisibility-inlines-hidden>)
endif()

if(RWKV_SANITIZER STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(RWKV_SANITIZER STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(RWKV_SANITIZER)
  message(FATAL_ERROR "RWKV_SANITIZER is '${RWKV_SANITIZER}', expected 'address', 'thread' or nothing")
endif()

if(CMAKE_SYSTEM_NAME MATCHES "Linux|Android" AND NOT RWKV_SANITIZER)
  add_link_options(-Wl,-z,noexecstack -Wl,-z,relro -Wl,-z,now)
endif()
if(ANDROID)
  # Newer devices have pages of 16 KB. Older NDKs align to 4 KB unless told.
  add_link_options(-Wl,-z,max-page-size=16384)
endif()

add_library(rwkv_warnings INTERFACE)
if(MSVC)
  target_compile_options(rwkv_warnings INTERFACE /W3 $<$<BOOL:${RWKV_WARNINGS_AS_ERRORS}>:/WX>)
else()
  target_compile_options(rwkv_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
                                                 $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
                                                 $<$<COMPILE_LANGUAGE:CXX>:-Wold-style-cast>
                                                 $<$<COMPILE_LANGUAGE:CXX>:-Woverloaded-virtual>
                                                 $<$<BOOL:${RWKV_WARNINGS_AS_ERRORS}>:-Werror>)
endif()
if(RWKV_SANITIZER)
  # Our own code is watched there, not timed: this compiles in half the time and its stack traces have lines.
  target_compile_options(rwkv_warnings INTERFACE -O1 -g1)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # With a sanitizer's checks in between, GCC no longer sees what the standard library has initialised.
    target_compile_options(rwkv_warnings INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees overlaps that are not there in `"literal" + std::string` (GCC bug 105651).
  target_compile_options(rwkv_warnings INTERFACE -Wno-restrict)
endif()
