# libwebp's decoder, built from the source that the crate libwebp-sys carries and pinned by a hash of what is compiled.
# Pictures are read without it too, only WebP is not: a build that has neither of these says so and goes on.
#   LIBWEBP_ARCHIVE  the crate itself, libwebp-sys-0.14.4.crate, as a file or an address of your registry
#   cargo            fetches it

set(LIBWEBP_ARCHIVE "$ENV{LIBWEBP_ARCHIVE}" CACHE STRING "The crate with libwebp's source: a file or an address")
option(RWKV_WEBP "Read WebP pictures" ON)
set(RWKV_LIBWEBP_CRATE 0.14.4) # libwebp 1.6.0
set(RWKV_LIBWEBP_SHA256 237b7a32c07a66b723e5b362f736022e385c1f1d79a2e6fd79bd8c3147b0bf8f)

# The folder with the source goes to `result`, nothing where it cannot be had.
function(rwkv_fetch_libwebp result)
  set(${result} "" PARENT_SCOPE)
  set(folder "${RWKV_THIRD_PARTY_DIR}/libwebp")
  set(source "${folder}/libwebp-sys/vendor")
  set(stamp "${folder}/.fetched-${RWKV_LIBWEBP_SHA256}")
  if(NOT EXISTS "${stamp}")
    find_program(RWKV_CARGO cargo)
    file(REMOVE_RECURSE "${folder}")
    if(LIBWEBP_ARCHIVE)
      set(archive "${LIBWEBP_ARCHIVE}")
      if(archive MATCHES "^[a-z]+://")
        file(DOWNLOAD "${archive}" "${folder}/archive.crate" TLS_VERIFY ON)
        set(archive "${folder}/archive.crate")
      endif()
      get_filename_component(archive "${archive}" ABSOLUTE BASE_DIR "${PROJECT_SOURCE_DIR}")
      file(ARCHIVE_EXTRACT INPUT "${archive}" DESTINATION "${folder}" PATTERNS "libwebp-sys-${RWKV_LIBWEBP_CRATE}/vendor/*")
      file(RENAME "${folder}/libwebp-sys-${RWKV_LIBWEBP_CRATE}" "${folder}/libwebp-sys")
    elseif(RWKV_CARGO)
      message(STATUS "Fetching libwebp (libwebp-sys ${RWKV_LIBWEBP_CRATE})")
      # Cargo compiles nothing, and wants a package that has a library and depends on the crate.
      file(WRITE "${folder}/cargo/Cargo.toml"
           "[package]\nname = \"sources\"\nversion = \"0.0.0\"\n[lib]\npath = \"none.rs\"\n"
           "[dependencies]\nlibwebp-sys = \"=${RWKV_LIBWEBP_CRATE}\"\n")
      execute_process(COMMAND "${RWKV_CARGO}" vendor --manifest-path "${folder}/cargo/Cargo.toml" "${folder}/crates"
                      RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE out)
      if(code)
        message(WARNING "cargo cannot fetch libwebp, so WebP pictures are not read (${code}):\n${out}")
        return()
      endif()
      file(RENAME "${folder}/crates/libwebp-sys" "${folder}/libwebp-sys")
      file(REMOVE_RECURSE "${folder}/crates" "${folder}/cargo")
    else()
      return()
    endif()
    file(GLOB_RECURSE files RELATIVE "${source}" "${source}/src/*.c" "${source}/src/*.h")
    list(SORT files)
    set(hashes "")
    foreach(file IN LISTS files)
      file(SHA256 "${source}/${file}" hash)
      string(APPEND hashes "${hash}  ${file}\n")
    endforeach()
    string(SHA256 hash "${hashes}")
    if(NOT hash STREQUAL RWKV_LIBWEBP_SHA256)
      message(FATAL_ERROR "libwebp's source has the SHA-256 ${hash}, not ${RWKV_LIBWEBP_SHA256}")
    endif()
    file(WRITE "${stamp}" "")
  endif()
  set(${result} "${source}" PARENT_SCOPE)
endfunction()

set(libwebp "")
if(RWKV_WEBP)
  rwkv_fetch_libwebp(libwebp)
  if(NOT libwebp)
    message(STATUS "No cargo and no LIBWEBP_ARCHIVE: this build reads no WebP pictures")
  endif()
endif()
if(libwebp)
  # Its files for each processor are empty on the others.
  file(GLOB sources CONFIGURE_DEPENDS "${libwebp}/src/dec/*.c" "${libwebp}/src/dsp/*.c" "${libwebp}/src/utils/*.c"
       "${libwebp}/src/demux/*.c")
  list(FILTER sources EXCLUDE REGEX "/(cost|enc|lossless_enc|ssim)[a-z0-9_]*\\.c$|/(bit_writer|huffman_encode|quant_levels)_utils\\.c$")
  add_library(webp_decoder STATIC EXCLUDE_FROM_ALL ${sources})
  target_include_directories(webp_decoder SYSTEM PUBLIC "${libwebp}/src" PRIVATE "${libwebp}")
  target_compile_options(webp_decoder PRIVATE $<IF:$<CXX_COMPILER_ID:MSVC>,/w,-w>)
endif()
