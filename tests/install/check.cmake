# Installs BUILD into a folder of its own, moves that to another place, builds the project beside this file with what is
# there and runs its programs. SOURCE is the repository, with the model; the rest are the build's own tools.

function(run what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE err WORKING_DIRECTORY "${SOURCE}")
  if(code)
    message(FATAL_ERROR "${what} failed (${code}):\n${out}${err}")
  endif()
  set(out "${out}" PARENT_SCOPE)
endfunction()

set(scratch "${BUILD}/tests/install")
file(REMOVE_RECURSE "${scratch}")
run("cmake --install" "${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${scratch}/first")
file(RENAME "${scratch}/first" "${scratch}/prefix")

run("configuring" "${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}" -B "${scratch}/consumer" -G "${GENERATOR}"
    "-DCMAKE_PREFIX_PATH=${scratch}/prefix" "-DCMAKE_C_COMPILER=${C_COMPILER}" "-DCMAKE_CXX_COMPILER=${CXX_COMPILER}"
    "-DPROGRAMS=${SOURCE}/tests/docs" -DCMAKE_BUILD_TYPE=Release)
run("building" "${CMAKE_COMMAND}" --build "${scratch}/consumer")
set(model "${SOURCE}/models/tiny/rwkv7-tiny.gguf")
foreach(program "${scratch}/consumer/consumer_c" "${scratch}/consumer/consumer_cpp;${model}"
                "${scratch}/prefix/bin/rwkv;chat;-m;${model};--greedy;-q;-p;What is 47+38?")
  run("${program}" ${program})
  if(NOT out MATCHES "^ ?85")
    message(FATAL_ERROR "${program} says: ${out}")
  endif()
endforeach()

# Nothing of what we are built from goes along.
file(GLOB_RECURSE installed RELATIVE "${scratch}/prefix" "${scratch}/prefix/*")
foreach(file IN LISTS installed)
  if(NOT file MATCHES "rwkv|LICENSE|NOTICE")
    message(FATAL_ERROR "${file} was installed")
  endif()
endforeach()
