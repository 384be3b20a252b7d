// java: the model -> the generated part of the Java binding, below `opgen --java FOLDER`: the ops as static functions
// and as methods, a class per layer and per optimiser, and which ops SWIG has to give several results.
#pragma once
#include "tools/opgen/files.h"

namespace opgen {

std::vector<File> java_files(const std::vector<Function>& ops);
std::vector<File> java_classes();

// "max_pool2d" -> "maxPool2d"; a word that Java reserves gets a `_`.
std::string java_name(std::string_view name);
std::string java_quoted(std::string_view text);
// A Javadoc comment of plain text, indented; lines that begin with @ are tags.
std::string javadoc(const std::string& text, const std::string& indent);
// What a parameter that is no handle is declared as; a list of integers that comes last takes numbers one by one.
std::string java_type(const Param& p, bool is_last);

}  // namespace opgen
