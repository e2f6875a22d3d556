# Tests of the C ABI, most of them in C11, against the library that apps ship and nothing else of ours.
set(capi "${CMAKE_CURRENT_SOURCE_DIR}/capi")
set(table "${CMAKE_CURRENT_BINARY_DIR}/hostile/hostile_table.inc")
file(MAKE_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/hostile")
add_custom_command(
  OUTPUT "${table}"
  COMMAND "${RWKV_PYTHON}" "${capi}/hostile.py" "${CMAKE_SOURCE_DIR}/include/rwkv_mobile.h" "${table}"
  DEPENDS "${capi}/hostile.py" "${CMAKE_SOURCE_DIR}/include/rwkv_mobile.h"
  VERBATIM)

file(GLOB sources CONFIGURE_DEPENDS "${capi}/*.c" "${capi}/*_test.cpp")
add_executable(test_capi ${sources} "${capi}/c_tests.cpp" "${table}")
set_target_properties(test_capi PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
target_include_directories(test_capi PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}" "${capi}"
                                             "${CMAKE_CURRENT_BINARY_DIR}/hostile")
target_compile_definitions(test_capi PRIVATE RWKV_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
target_link_libraries(test_capi PRIVATE rwkv_mobile rwkv_warnings cpp_httplib GTest::gtest GTest::gtest_main
                                        Threads::Threads m
                                        ${CMAKE_DL_LIBS})

# Programs that leave while a model writes.
add_executable(leave "${capi}/leave/leave.cpp")
target_link_libraries(leave PRIVATE rwkv_mobile rwkv_warnings Threads::Threads)
add_executable(unload "${capi}/leave/unload.c")
target_link_libraries(unload PRIVATE ${CMAKE_DL_LIBS})
add_dependencies(test_capi leave unload)
target_compile_definitions(test_capi PRIVATE RWKV_LEAVE="$<TARGET_FILE:leave>" RWKV_UNLOAD="$<TARGET_FILE:unload>"
                                             RWKV_LIBRARY="$<TARGET_FILE:rwkv_mobile>")

# Lets allocations fail; a sanitizer has an allocator of its own.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux" AND NOT RWKV_SANITIZER)
  file(GLOB lack CONFIGURE_DEPENDS "${capi}/lack/*.cpp")
  add_executable(lack ${lack})
  target_link_libraries(lack PRIVATE rwkv_mobile rwkv_warnings Threads::Threads ${CMAKE_DL_LIBS})
  foreach(entry c batch native bridge)
    add_test(NAME Capi.LackOfMemoryIsAnErrorThrough_${entry}
             COMMAND lack ${entry} "${CMAKE_SOURCE_DIR}/models/tiny/rwkv7-tiny.gguf" 97
                     "${CMAKE_SOURCE_DIR}/docs/OUT_OF_MEMORY.md")
    set_tests_properties(Capi.LackOfMemoryIsAnErrorThrough_${entry} PROPERTIES TIMEOUT 600 LABELS capi-slow)
  endforeach()
endif()

gtest_discover_tests(test_capi DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 600 LABELS capi)

# Beside another copy of ggml, and beside a library that has its names and does something else.
add_executable(two_copies "${capi}/two_copies/two_copies.cpp")
target_compile_definitions(two_copies PRIVATE RWKV_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
target_link_libraries(two_copies PRIVATE rwkv_core rwkv_warnings llama ggml ${CMAKE_DL_LIBS})
add_library(usurper MODULE "${capi}/two_copies/usurper.c")
set_target_properties(usurper PROPERTIES C_VISIBILITY_PRESET default)
add_test(NAME Capi.LoadsBesideAnotherCopyOfGgml
         COMMAND two_copies "$<TARGET_FILE:rwkv_mobile>" "$<TARGET_FILE:usurper>")
add_dependencies(two_copies rwkv_mobile)
set_tests_properties(Capi.LoadsBesideAnotherCopyOfGgml PROPERTIES LABELS capi)

add_test(NAME Capi.ExportsWhatIsListedAndDeclared
         COMMAND "${RWKV_PYTHON}" "${capi}/exports.py" "$<TARGET_FILE:rwkv_mobile>" "${CMAKE_SOURCE_DIR}")
set_tests_properties(Capi.ExportsWhatIsListedAndDeclared PROPERTIES LABELS capi)
