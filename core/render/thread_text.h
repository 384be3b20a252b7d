// thread_text: instructions of a program -> statements for one thread, and the ways of index maps to their elements.
// Used by render_threads alone, which says what a thread has.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "core/render/file_text.h"
#include "core/render/thread_plan.h"

namespace jt::loops {

class ThreadText : public Lines {
 public:
  ThreadText(const Program& program, const ThreadShape& shape, FileText& file);

 protected:
  const Operand& operand(int k) const { return p_.operands[size_t(k)]; }
  const char* type_of(int r) const { return file_.elements.type_name(p_.registers[size_t(r)].type); }
  std::string origin(const Instr& i) const { return "  // " + to_text(i); }
  std::string cast(const std::string& value) const { return text("(", index_, ")", value); }  // to what indices are

  template <class Visit>
  void for_instrs(const Stage& stage, Visit visit) const {
    for (int i = stage.first; i < stage.last; i++) visit(p_.instrs[size_t(i)]);
  }
  template <class Visit>
  void for_stages(Visit visit) const {  // of the kernel
    for (int s = kernel_->first_stage; s < kernel_->last_stage; s++) for_instrs(p_.stages[size_t(s)], visit);
  }

  void uniform(const Instr& i);
  void instr(const Instr& i);
  std::string pointer(int k, bool is_written) const;
  // Declare q3 and k3 of the operands that are not uniform; qi3 and ki3 of the inner ones.
  void walk_outer();
  void walk_inner(const Stage& stage);
  // A direct operand whose elements a thread's group reads and writes as a whole: b3 and y3.
  bool is_grouped(int k) const {
    return group_ && operand(k).access == Access::direct && operand(k).level == Level::outer;
  }

  const char* type_of_places() const { return s_.is_wide ? "i64" : "int"; }  // of form `sorted`

  void read_group();   // n, whole, and each b3; declares y3
  void write_group();  // each y3

  const Program& p_;
  const ThreadShape& s_;
  FileText& file_;
  const std::string index_;  // the type of indices
  const ThreadKernel* kernel_ = nullptr;
  std::string store_condition_;  // who stores what all threads of a row know
  int group_ = 0;                // elements of a thread, if it reads and writes them as vectors

 private:
  const ThreadShape::Walk& walk_of(int k) const { return s_.walks[size_t(s_.walk_of[size_t(k)])]; }
  bool has_limits(int k) const { return s_.walk_of[size_t(k)] >= 0 && s_.masked[size_t(k)]; }
  std::vector<int> mapped() const;
  std::vector<int> grouped(bool written) const;
  void coordinates(int walk, int first, int rank, const char* index);
  std::string sum_of_steps(int k, int first, int rank) const;
  std::string limits(int k, int first, int rank, bool at_zero) const;
  std::string place(int k) const;
  std::string condition(int k) const;
  std::string element(const Instr& i);
  std::string load(const Instr& i);
  void store(int k, const std::string& value);
};

}  // namespace jt::loops
