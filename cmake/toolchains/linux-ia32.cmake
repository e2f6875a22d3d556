# 32-bit x86 Linux from a 64-bit Debian host with g++-12-multilib. That package, unlike g++-multilib, can be installed
# beside the arm64 cross compiler; it lacks the /usr/include/asm link, which -idirafter stands in for.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR i686)
set(CMAKE_C_COMPILER gcc-12)
set(CMAKE_CXX_COMPILER g++-12)
set(RWKV_IA32 ON)
foreach(lang C CXX)
  set(CMAKE_${lang}_FLAGS_INIT
      "-m32 -msse2 -mfpmath=sse -D_FILE_OFFSET_BITS=64 -idirafter /usr/include/x86_64-linux-gnu")
endforeach()
