# Plugins that the tests open: the reference, and ones with faults. They lie apart, where no command finds them by itself.
set(RWKV_TEST_PLUGINS "${CMAKE_BINARY_DIR}/tests/plugins")
set(reference "${CMAKE_CURRENT_LIST_DIR}/reference_plugin")

# A library librwkv_backend_NAME of C sources. What is to be learnt from it for another plugin: C99 without extensions, all
# symbols hidden but the one that the header exports.
function(rwkv_test_plugin name)
  add_library(rwkv_backend_${name} MODULE ${ARGN})
  target_include_directories(rwkv_backend_${name} PRIVATE "${CMAKE_SOURCE_DIR}/include")
  target_link_libraries(rwkv_backend_${name} PRIVATE rwkv_warnings $<$<NOT:$<PLATFORM_ID:Windows>>:m>)
  set_target_properties(rwkv_backend_${name} PROPERTIES
    C_STANDARD 99 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF C_VISIBILITY_PRESET hidden
    LIBRARY_OUTPUT_DIRECTORY "${RWKV_TEST_PLUGINS}")
  add_dependencies(test_backend_contract rwkv_backend_${name})
endfunction()

file(GLOB reference_sources CONFIGURE_DEPENDS "${reference}/*.c")
rwkv_test_plugin(reference ${reference_sources})
rwkv_test_plugin(faulty "${CMAKE_CURRENT_LIST_DIR}/faulty_plugin/faulty.c" ${reference_sources})
target_compile_definitions(rwkv_backend_faulty PRIVATE rwkv_backend_entry=reference_entry)
rwkv_test_plugin(no_entry "${CMAKE_CURRENT_LIST_DIR}/faulty_plugin/no_entry.c")
