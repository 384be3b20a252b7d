// api: everything that programs can call, as one model for the writers of all languages.
//
// Filled from core/ir/ops.def (through Row), core/nn/layers.def, core/optim/optimizers.def, and, for the hand-written
// rest, capi/api.def with the headers' own comments. A writer looks at nothing else.
#pragma once
#include <optional>

#include "tools/opgen/headers.h"
#include "tools/opgen/roles.h"
#include "tools/opgen/rows.h"

namespace opgen {

struct Doc {
  std::string text;     // what it does or is
  // Of ops; empty where there is nothing to say:
  std::string shapes, dtypes, result, since;
  std::optional<bool> has_gradient;
};

struct Function {
  std::string name;            // without jt_
  std::string returns;         // "status": the results are there if it is JT_OK; else a C type
  std::vector<Param> params, results;
  std::vector<std::string> result_names;  // of ops and layers: "z", "index"
  bool is_op = false;
  bool is_method = false;      // of its first operand, x
  bool compares = false;       // two operands, and gives bool
  bool divides = false;        // two operands, and gives floats of integers
  bool waits = false;          // may evaluate, compile, or wait for a file
  bool any_thread = false;     // else the context's
  Doc doc;

  // Whether its results are a list, as long as the attribute `results_by` has values.
  bool has_result_list() const { return !results.empty() && results[0].role == Role::out_tensors; }
  std::string results_by;
  // Which argument of SWIG's wrapper says how long that is: they are numbered as the words of the prototype.
  int length_argument() const;

  std::string c_name() const { return "jt_" + name; }
  std::string c_text() const;  // the prototype, on one line; a callback as its name alone
};

// A tensor that a layer keeps.
struct State {
  // dtype empty: the layer's; condition: the field that must not be 0
  std::string name, extents, dtype, initial, condition;
  bool is_buffer = false;
  bool may_be_absent() const { return initial == "absent" || !condition.empty(); }
};

// A row that languages have a class for: a layer or an optimiser.
struct Class {
  std::string kind;            // what its create function is called with
  std::string title;           // its name where classes have names
  std::vector<std::string> aliases;
  std::vector<Param> fields;
  std::vector<State> states;   // layers
  Function forward;            // layers: what it takes and gives; a Module has no results
  bool is_container = false;
  Doc doc;
};

struct Api {
  std::vector<Function> functions;  // those of api.def, then the ops in the order of their table
  std::vector<Class> layers, optimizers;
  Headers headers;                  // types, constants, and the functions once more as C has them
};

// The model; where tables and headers do not agree, `complaints` gets a line each.
Api make_api(const std::vector<Row>& rows, Headers headers, std::vector<std::string>& complaints);

std::vector<Function> op_functions(const std::vector<Row>& rows);
std::vector<Class> layer_classes();
std::vector<Class> optimizer_classes();

}  // namespace opgen
