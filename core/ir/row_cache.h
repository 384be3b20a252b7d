// row_cache: signatures taken apart and default attributes, each made once per walk over a block.
#pragma once
#include <memory>
#include <vector>

#include "core/ir/recorder.h"

namespace jt {

class RowCache {
 public:
  struct Row {
    Signature signature;
    Attrs defaults;
  };
  const Row& operator[](Op op) {
    std::unique_ptr<Row>& row = rows_[size_t(op)];
    if (!row) row.reset(new Row{signature(def(op)), make_attrs(op, {})});
    return *row;
  }

 private:
  std::vector<std::unique_ptr<Row>> rows_ = std::vector<std::unique_ptr<Row>>(kOps);
};

}  // namespace jt
