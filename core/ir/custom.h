// custom: an op that a program brings along: what it computes, and its gradient, are functions of the caller.
//
// A custom node is never merged with an equal one and never runs twice. It runs between plans, not inside one: first
// whatever its operands need, then the function, then what depends on it (core/customs.cpp). So a plan, its key and its
// memory know nothing of custom ops, and a function that fails leaves everything it did not compute untouched.
#pragma once
#include <span>
#include <string_view>

#include "core/base/recycler.h"
#include "core/ir/node.h"

namespace jt {

struct HostView {
  const Type* type;
  void* data;  // dense, row-major; an input's must not be written
};

class CustomOp {
 public:
  // A T, whose constructor takes `home` first, in memory of `home`, which outlives it.
  template <class T, class... Args>
  static T* make(Recycler& home, Args&&... args) {
    void* room = home.take(sizeof(T));
    try {
      T* made = new (room) T(home, std::forward<Args>(args)...);
      made->bytes_ = sizeof(T);
      return made;
    } catch (...) {
      home.give(room, sizeof(T));
      throw;
    }
  }
  CustomOp(const CustomOp&) = delete;

  std::string_view name() const { return {name_.data(), name_.size()}; }
  // Fills the outputs. What it throws is the error of the node's values for good.
  virtual void forward(std::span<const HostView> inputs, std::span<const HostView> outputs) = 0;
  // Records the gradients of the operands that are needed; spans as in GradStep (core/grad/gradients.h).
  virtual void backward(Node* node, std::span<const Value> dz, std::span<const char> needs, std::span<Value> dx) = 0;

  void retain() { refs_++; }
  void release() {
    if (--refs_) return;
    Recycler& home = home_;
    size_t bytes = bytes_;
    this->~CustomOp();
    home.give(this, bytes);
  }

 protected:
  CustomOp(Recycler& home, std::string_view name)
      : home_(home), name_(name.begin(), name.end(), Recycled<char>(home)) {}
  virtual ~CustomOp() = default;

 private:
  Recycler& home_;
  List<char> name_;
  size_t bytes_ = 0;
  int refs_ = 1;  // of nodes; belongs to the context's thread
};

}  // namespace jt
