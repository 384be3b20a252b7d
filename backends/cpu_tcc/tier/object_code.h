// object_code: a compiler's object file -> the machine code of one function, as bytes that run wherever they are
// copied.
//
// The function's section and all that it refers to (constants, other functions of the file) are laid out one after the
// other, and the distances between them written in. Code that refers to anything outside, or needs an address, is
// refused: so what is accepted needs no loader, no dlopen and no link to any library.
#pragma once
#include <string>
#include <string_view>

namespace jt::cpu {

struct ObjectCode {
  std::string bytes;  // to be placed at a multiple of 64
  size_t entry = 0;   // offset of the function
};

// `object`: a relocatable ELF file for x86-64, which may be damaged in any way. Throws JT_E_COMPILE, naming what it
// lacks.
ObjectCode code_of_function(std::string_view object, std::string_view function);

}  // namespace jt::cpu
