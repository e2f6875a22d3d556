# 64-bit Windows from Debian with g++-mingw-w64-x86-64-posix (the variant whose C++ library has threads). The compiler's
# own libraries go into ours, so that nothing has to be shipped beside it.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc-posix)
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++-posix)
set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)
# Debian's Windows headers lack what ggml (in C) wants to tell Windows 8 and later about threads.
set(CMAKE_C_FLAGS_INIT -D_WIN32_WINNT=0x0601)
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
set(CMAKE_SHARED_LINKER_FLAGS_INIT -static)
