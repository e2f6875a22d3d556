# Fails unless README contains PROGRAM word for word.
file(READ "${README}" readme)
file(READ "${PROGRAM}" program)
string(FIND "${readme}" "${program}" at)
if(at EQUAL -1)
  message(FATAL_ERROR "${PROGRAM} differs from the program in ${README}")
endif()
