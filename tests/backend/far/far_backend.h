// far: a device made of a host thread, as far from the host as a device can be, and as awkward as it may be.
//
// Its memory is mapped twice: the host is given addresses that no access is allowed at, the device's thread adds an
// offset. Streams are
// lazy: nothing runs before somebody waits for an event, and then either only what that event stands behind, or, as a
// die falls, more of other streams first. So who reads too early, waits for the wrong thing or reuses memory too soon
// meets bytes that are not there. It fails when it is told to. Kernels and library ops are those of jt's own backend.
#pragma once
#include <jt/jt_backend.h>

#include <atomic>

namespace jt::test {

// Of all far devices of this process.
struct FarControl {
  std::atomic<int64_t> fail_after{-1};        // so many launches from now, one fails when it runs; then -1 again
  std::atomic<bool> fails_at_once{false};     // when it is given to the stream, instead
  // so many calls for memory, streams and events from now, one is refused; then -1 again
  std::atomic<int64_t> refuse_after{-1};
  std::atomic<int64_t> memory{int64_t(1) << 30};  // bytes that a device has
  std::atomic<uint64_t> seed{1};              // of the die; 0: never more than is waited for
  // some op and dtype in three is refused before it is planned, others for each number; 0: none
  std::atomic<uint64_t> lacks{0};
  std::atomic<void (*)(const jt_be_node*)> when_asked{nullptr};  // is shown what `supports` is asked
  std::atomic<bool> has_no_kernels{false};    // all are refused when they are to be compiled
  std::atomic<int64_t> launches{0}, copies_in{0}, copies_out{0}, waits{0};  // so far
};
FarControl& far_control();

const jt_backend_api* far_backend();
// The same without memory of its own: late, but with the host's memory.
const jt_backend_api* late_backend();

}  // namespace jt::test
