// custom: an op that a program brings along: what it computes, and its gradient, are functions of the caller.
//
// A custom node is never merged with an equal one and never runs twice. It runs between plans, not inside one: first
// whatever its operands need, then the function, then what depends on it (core/customs.cpp). So a plan, its key and its
// memory know nothing of custom ops, and a function that fails leaves everything it did not compute untouched.
#pragma once
#include <span>
#include <string>

#include "core/ir/node.h"

namespace jt {

struct HostView {
  const Type* type;
  void* data;  // dense, row-major; an input's must not be written
};

class CustomOp {
 public:
  explicit CustomOp(std::string name) : name_(std::move(name)) {}
  virtual ~CustomOp() = default;
  CustomOp(const CustomOp&) = delete;

  const std::string& name() const { return name_; }
  // Fills the outputs. What it throws is the error of the node's values for good.
  virtual void forward(std::span<const HostView> inputs, std::span<const HostView> outputs) = 0;
  // Records the gradients of the operands that are needed; spans as in GradStep (core/grad/rules.h).
  virtual void backward(Node* node, std::span<const Value> dz, std::span<const char> needs, std::span<Value> dx) = 0;

  void retain() { refs_++; }
  void release() {
    if (--refs_ == 0) delete this;
  }

 private:
  std::string name_;
  int refs_ = 1;  // of nodes; belongs to the context's thread
};

}  // namespace jt
