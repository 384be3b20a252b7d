// seen_texts: graphs -> the programs and arguments that a backend would be given for them, and so the texts for
// threads.
//
// It is the CPU's backend with a look at every launch that the host prepares.
#pragma once
#include <functional>

#include "core/render/render_threads.h"
#include "tools/backend_check/cases.h"

namespace jt::test {

struct SeenLaunch {
  const Program& program;
  const int64_t* args;
};
// Calls `see` for each kernel of each case, as it would be launched.
void each_launch(const std::function<bool(const Case&)>& wanted, const std::string& cases_file,
                 const std::function<void(const Case&, const SeenLaunch&)>& see);

}  // namespace jt::test
