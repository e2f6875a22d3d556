# cpp-httplib, which the pinned llama.cpp source carries. Its own build file wants llama.cpp's.

# 0.57.1
rwkv_expect_vendored(cpp-httplib/httplib.h 81e75f6ed590434cf150cd35b01952d335cae682dd8c365b302de97dc2e9373f)
rwkv_expect_vendored(cpp-httplib/httplib.cpp 4d61c14f6ca2638eee0fee0768b3e405621ae5d9803be72ad79e474d2706c67e)
find_package(Threads REQUIRED)
add_library(cpp_httplib STATIC EXCLUDE_FROM_ALL "${LLAMA_CPP_SOURCE}/vendor/cpp-httplib/httplib.cpp")
target_include_directories(cpp_httplib SYSTEM PUBLIC "${LLAMA_CPP_SOURCE}/vendor/cpp-httplib")
# Bursts of clients wait in the backlog; `curl -d` calls every body a form, which may be as long as any other.
target_compile_definitions(cpp_httplib PUBLIC CPPHTTPLIB_LISTEN_BACKLOG=512
                                              CPPHTTPLIB_FORM_URL_ENCODED_PAYLOAD_MAX_LENGTH=1073741824)
if(CMAKE_SYSTEM_NAME MATCHES "^(Linux|Android)$")
  # A client that has gone must not end the process, and its signals are the host's.
  target_compile_definitions(cpp_httplib PUBLIC CPPHTTPLIB_SEND_FLAGS=MSG_NOSIGNAL)
endif()
target_compile_options(cpp_httplib PRIVATE $<IF:$<CXX_COMPILER_ID:MSVC>,/w,-w>)
target_link_libraries(cpp_httplib PUBLIC Threads::Threads $<$<PLATFORM_ID:Windows>:ws2_32>)
