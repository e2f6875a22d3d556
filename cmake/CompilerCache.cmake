# Uses ccache where it is installed. Paths are made relative to the checkout, so that a fresh clone hits the same cache.
find_program(RWKV_CCACHE ccache)
if(RWKV_CCACHE)
  foreach(lang C CXX)
    set(CMAKE_${lang}_COMPILER_LAUNCHER
        "${CMAKE_COMMAND};-E;env;CCACHE_BASEDIR=${PROJECT_SOURCE_DIR};CCACHE_NOHASHDIR=1;${RWKV_CCACHE}")
  endforeach()
endif()
