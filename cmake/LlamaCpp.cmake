# llama.cpp and ggml, built from pinned source as static libraries.
#
# The source is a git bundle inside an npm package; npm checks the package against the integrity value in
# third_party/package-lock.json and git checks the commit. As options or in the environment:
#   LLAMA_CPP_ARCHIVE  the package itself, node-llama-cpp-3.22.1.tgz, as a file or an address of your registry: no npm is
#                      needed then, CMake checks it against the same hash
#   LLAMA_CPP_DIR      a checkout of your own instead, which nobody has pinned

set(LLAMA_CPP_DIR "$ENV{LLAMA_CPP_DIR}" CACHE PATH "A llama.cpp source tree to use instead of the pinned one")
set(LLAMA_CPP_ARCHIVE "$ENV{LLAMA_CPP_ARCHIVE}" CACHE STRING "The npm package with llama.cpp's source: a file or an address")
set(RWKV_LLAMA_CPP_COMMIT de3ff815ea7d559ee917f063901b8986f038abc6)
set(RWKV_LLAMA_CPP_VERSION 0.5.0)

# That of third_party/package-lock.json in hexadecimal digits (Checks.TheArchiveOfLlamaCppHasTheLocksHash).
set(RWKV_LLAMA_CPP_ARCHIVE_SHA512
    6e5b488a9b9699cd76dc7eed30880318a4ac4ab866865418795502e3c5d38d55
    bb5c624988927209d95333343f2e25a83e4183a5c2f816f883a60c3ba9f4e20f)
string(CONCAT RWKV_LLAMA_CPP_ARCHIVE_SHA512 ${RWKV_LLAMA_CPP_ARCHIVE_SHA512})

# The presets share one copy of the source, so that it is fetched once.
set(RWKV_THIRD_PARTY_DIR "${PROJECT_SOURCE_DIR}/build/third_party")

function(rwkv_run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(code)
    string(REPLACE ";" " " command "${ARGN}")
    message(FATAL_ERROR "'${command}' failed (${code}):\n${out}")
  endif()
endfunction()

# Unpacks the bundle from the archive; the folder of the package goes to `result`.
function(rwkv_unpack_llama_cpp result)
  set(archive "${LLAMA_CPP_ARCHIVE}")
  set(folder "${RWKV_THIRD_PARTY_DIR}/archive")
  if(archive MATCHES "^[a-z]+://")
    file(DOWNLOAD "${archive}" "${folder}/package.tgz" EXPECTED_HASH SHA512=${RWKV_LLAMA_CPP_ARCHIVE_SHA512} TLS_VERIFY ON)
    set(archive "${folder}/package.tgz")
  else()
    get_filename_component(archive "${archive}" ABSOLUTE BASE_DIR "${PROJECT_SOURCE_DIR}")
    if(NOT EXISTS "${archive}")
      message(FATAL_ERROR "There is no file '${archive}' (LLAMA_CPP_ARCHIVE)")
    endif()
    file(SHA512 "${archive}" hash)
    if(NOT hash STREQUAL RWKV_LLAMA_CPP_ARCHIVE_SHA512)
      message(FATAL_ERROR "'${archive}' has the SHA-512 ${hash}, not ${RWKV_LLAMA_CPP_ARCHIVE_SHA512}")
    endif()
  endif()
  file(ARCHIVE_EXTRACT INPUT "${archive}" DESTINATION "${folder}" PATTERNS "package/llama/gitRelease.bundle")
  set(${result} "${folder}/package" PARENT_SCOPE)
endfunction()

function(rwkv_fetch_llama_cpp)
  set(source "${RWKV_THIRD_PARTY_DIR}/llama.cpp")
  set(stamp "${source}/.fetched-${RWKV_LLAMA_CPP_COMMIT}")
  if(NOT EXISTS "${stamp}")
    find_program(RWKV_NPM npm)
    find_program(RWKV_GIT git)
    if(NOT RWKV_GIT OR NOT (RWKV_NPM OR LLAMA_CPP_ARCHIVE))
      message(FATAL_ERROR "Fetching llama.cpp needs git, and npm or -DLLAMA_CPP_ARCHIVE=<the package as a file or an "
                          "address>; or set -DLLAMA_CPP_DIR=<checkout>")
    endif()
    message(STATUS "Fetching llama.cpp ${RWKV_LLAMA_CPP_VERSION}")
    if(LLAMA_CPP_ARCHIVE)
      rwkv_unpack_llama_cpp(package)
    else()
      set(npm_dir "${RWKV_THIRD_PARTY_DIR}/npm")
      file(MAKE_DIRECTORY "${npm_dir}")
      configure_file("${PROJECT_SOURCE_DIR}/third_party/package.json" "${npm_dir}/package.json" COPYONLY)
      configure_file("${PROJECT_SOURCE_DIR}/third_party/package-lock.json" "${npm_dir}/package-lock.json" COPYONLY)
      rwkv_run("${RWKV_NPM}" ci --prefix "${npm_dir}" --ignore-scripts --no-audit --no-fund)
      set(package "${npm_dir}/node_modules/node-llama-cpp")
    endif()
    file(REMOVE_RECURSE "${source}")
    rwkv_run("${RWKV_GIT}" clone -q --no-checkout
             "${package}/llama/gitRelease.bundle" "${source}")
    rwkv_run("${RWKV_GIT}" -C "${source}" sparse-checkout set --cone cmake include src ggml vendor)
    rwkv_run("${RWKV_GIT}" -C "${source}" checkout -q "${RWKV_LLAMA_CPP_COMMIT}")
    file(WRITE "${stamp}" "")
  endif()
  set(LLAMA_CPP_SOURCE "${source}" PARENT_SCOPE)
endfunction()

if(LLAMA_CPP_DIR)
  set(LLAMA_CPP_SOURCE "${LLAMA_CPP_DIR}")
  set(RWKV_LLAMA_CPP_VERSION "(your checkout)") # which nobody has pinned
else()
  rwkv_fetch_llama_cpp()
endif()

# What we take from its vendor folder is pinned on its own: an update of llama.cpp that brings another one stops here, to be
# looked at. Update the hash together with NOTICE.
function(rwkv_expect_vendored file sha256)
  file(SHA256 "${LLAMA_CPP_SOURCE}/vendor/${file}" hash)
  if(NOT hash STREQUAL sha256 AND NOT LLAMA_CPP_DIR)
    message(FATAL_ERROR "llama.cpp's vendor/${file} has changed (SHA-256 ${hash}, expected ${sha256})")
  endif()
endfunction()

foreach(part COMMON TESTS TOOLS EXAMPLES SERVER APP)
  set(LLAMA_BUILD_${part} OFF CACHE INTERNAL "")
endforeach()
set(BUILD_SHARED_LIBS OFF CACHE INTERNAL "")
set(LLAMA_OPENSSL OFF CACHE INTERNAL "")
set(GGML_CCACHE OFF CACHE INTERNAL "") # CompilerCache.cmake has set the launcher already
# ggml's own threads: OpenMP would add a run-time dependency and its barriers spin as well.
set(GGML_OPENMP OFF CACHE INTERNAL "")
set(GGML_NATIVE ${RWKV_NATIVE} CACHE INTERNAL "")
if(NOT RWKV_NATIVE AND CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|i.86)$")
  # The baseline is x86-64-v3 (2013 and later); the backend checks the processor before it runs any of this.
  foreach(feature SSE42 AVX AVX2 FMA F16C)
    set(GGML_${feature} ON CACHE INTERNAL "")
  endforeach()
  # 32-bit code has no 64-bit BMI2 intrinsics.
  if(RWKV_IA32)
    set(GGML_BMI2 OFF CACHE INTERNAL "")
  else()
    set(GGML_BMI2 ON CACHE INTERNAL "")
  endif()
endif()
add_subdirectory("${LLAMA_CPP_SOURCE}" "${PROJECT_BINARY_DIR}/llama.cpp" EXCLUDE_FROM_ALL)
if(NOT WIN32)
  # Files that somebody cuts while they are mapped must not end the process.
  set(guard "${PROJECT_SOURCE_DIR}/src/backends/llama_cpp/guarded_mmap.h")
  set_source_files_properties("${LLAMA_CPP_SOURCE}/src/llama-mmap.cpp" TARGET_DIRECTORY llama
                              PROPERTIES COMPILE_OPTIONS "-include;${guard}" OBJECT_DEPENDS "${guard}")
endif()
if(RWKV_SANITIZER STREQUAL "address")
  # Its kernels load words from blocks of odd sizes and shift into the sign bit, which the processors they are written for
  # can do. AddressSanitizer stays on.
  target_compile_options(ggml-cpu PRIVATE -fno-sanitize=undefined)
endif()
# Its headers are not held to our warnings.
foreach(target llama ggml ggml-base ggml-cpu)
  get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
  set_target_properties(${target} PROPERTIES INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${directories}")
endforeach()
