// thread_stages: stages of a program -> statements of threads that share them: rows and columns walked lane by lane in
// the order of sums, what stages leave for each other. Used by render_threads alone, which says who has what.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "core/render/thread_text.h"

namespace jt::loops {

class ThreadStages : public ThreadText {
 public:
  ThreadStages(const Program& program, const ThreadShape& shape, FileText& file);

 protected:
  bool is_split() const { return s_.form == ThreadForm::split_rows || s_.form == ThreadForm::split_columns; }
  bool is_made_here(int r) const;  // by the kernel

  // visit(number, name of the reduction in the text, instruction)
  template <class Visit>
  void for_reductions(const Stage& stage, Visit visit) {
    for (int i = stage.first; i < stage.last; i++) {
      const Instr& r = p_.instrs[size_t(i)];
      if (r.code == Code::reduce) visit(i, file_.use_reduction(Reduction(r.sub), p_.registers[size_t(r.a)].type), r);
    }
  }
  // All stages of the kernel: what all threads of a row know, `who` stores; `inner` prints a stage over the row.
  template <class Inner>
  void walk_stages(const char* who, Inner inner) {
    for (int s = kernel_->first_stage; s < kernel_->last_stage; s++) {
      const Stage& stage = p_.stages[size_t(s)];
      if (stage.level == Level::outer) {
        store_condition_ = who;
        for_instrs(stage, [&](const Instr& i) { instr(i); });
        store_condition_.clear();
        continue;
      }
      open("");
      inner(stage);
      close();
    }
  }
  // Outer registers of this kernel: those that earlier kernels kept are read.
  void declare_outer();
  // The lanes of a thread begin; each of them takes one element, where it is below `stop`.
  void open_lanes(const Stage& stage, int lanes);
  void inner_lanes(const Stage& stage, int lanes, const std::string& place, const std::string& stop);
  // Block `block` of a row, by a warp.
  void warp_of_block(const Stage& stage);
  // Block `block` of 32 columns, by y rows of threads; each reduction of it is in f[0] when `keep` is called, and stays
  // until all have passed a barrier.
  void column_block(const Stage& stage, int lanes, int y, const std::function<void(int r)>& keep);

  const std::vector<ThreadKernel> kernels_;
  const std::vector<int> kept_;

 private:
  std::string stop_of_block() const;
};

}  // namespace jt::loops
