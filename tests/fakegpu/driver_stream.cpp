// Streams and events. A stream is a queue that runs only as far as something waits for it, so that whatever no event
// and no stream orders happens as late as it may; the null stream and blocking streams wait for each other as the
// driver says.
#include <algorithm>
#include <chrono>

#include "tests/fakegpu/driver.h"

namespace fakegpu {

StreamRef stream_of(void* handle, const char* caller) {
  Device* device = current_device();
  if (!handle || handle == reinterpret_cast<void*>(1)) return device->null_stream;
  auto found = state().streams.find(handle);
  if (found == state().streams.end()) {
    find(std::string(caller) + ": no such stream, or it is destroyed");
    return nullptr;
  }
  if (found->second->device == device) return found->second;
  find(std::string(caller) + ": the stream is of device " + std::to_string(found->second->device->index) +
       ", the context of device " + std::to_string(device->index));
  return nullptr;
}

std::shared_ptr<Event> event_of(void* handle, const char* caller) {
  auto found = state().events.find(handle);
  if (found != state().events.end()) return found->second;
  find(std::string(caller) + ": no such event, or it is destroyed");
  return nullptr;
}

static void count_pending(const Operation& operation, int change) {
  auto found = state().functions.find(operation.function);
  if (found != state().functions.end()) found->second->pending += change;
}

bool run_one(const StreamRef& stream) {
  if (stream->queue.empty()) return false;
  std::vector<Place> after = std::move(stream->queue.front().after);
  for (const Place& place : after) run_to(place.stream, place.position);
  Operation operation = std::move(stream->queue.front());
  stream->queue.pop_front();
  ++stream->done;
  count_pending(operation, -1);
  if (stream->device->sticky || !operation.run) return true;
  state().order.begin(operation.what, stream->number, stream->done, operation.clock);
  try {
    operation.run();
  } catch (const KernelFault& fault) {
    stream->device->sticky = fault.error;
    find(fault.what());
  }
  return true;
}

void run_to(const StreamRef& stream, uint64_t position) {
  while (stream->done < position && run_one(stream)) {
  }
}

void run_device(Device& device) {
  std::vector<StreamRef> streams = device.streams;
  streams.push_back(device.null_stream);
  if (state().reversed) std::reverse(streams.begin(), streams.end());
  for (const StreamRef& stream : streams) wait_for(stream);
}

static void drop_finished(Device& device) {
  auto is_over = [](const StreamRef& s) { return s.use_count() == 1 && s->queue.empty(); };
  std::erase_if(device.streams, is_over);
}

int wait_for(const StreamRef& stream) {
  run_to(stream, stream->issued);
  state().host_clock.merge(stream->clock);
  return stream->device->sticky;
}

static int wait_for_event(const Event& event) {
  run_to(event.stream, event.position);
  state().host_clock.merge(event.clock);
  return event.device->sticky;
}

static void run_at_random(Device& device) {
  std::mt19937_64& random = *state().random;
  std::vector<StreamRef> streams = device.streams;
  streams.push_back(device.null_stream);
  while (random() % 4 == 0) run_one(streams[random() % streams.size()]);
}

int enqueue(const StreamRef& stream, Operation operation) {
  Device& device = *stream->device;
  if (stream->capture) {
    stream->capture->nodes.push_back(std::move(operation));
    ++stream->captured;
    if (!stream->is_capture_origin) stream->capture->unjoined.insert(stream.get());
    return kSuccess;
  }
  auto comes_after = [&](const StreamRef& other) {
    operation.after.push_back({other, other->issued});
    operation.clock.merge(other->clock);
  };
  if (stream->is_null) {
    for (const StreamRef& other : device.streams)
      if (other->is_blocking) comes_after(other);
  } else if (stream->is_blocking) {
    comes_after(device.null_stream);
  }
  operation.clock.merge(state().host_clock);
  operation.clock.merge(stream->clock);
  operation.clock.set(stream->number, stream->issued + 1);
  stream->clock = operation.clock;
  count_pending(operation, 1);
  stream->queue.push_back(std::move(operation));
  ++stream->issued;
  if (state().eager) {  // it has run, but nobody knows that
    run_to(stream, stream->issued);
    return device.sticky;
  }
  if (state().random) run_at_random(device);
  return kSuccess;
}

static int refuse_in_capture(const StreamRef& stream, const char* caller) {
  if (!stream->capture) return kSuccess;
  stream->capture->is_invalid = true;
  return misuse(kStreamCaptureUnsupported, std::string(caller) + " on a stream that is being captured");
}

static double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace fakegpu

using namespace fakegpu;

FAKEGPU_API int cuStreamCreate(void** out, unsigned flags) {
  FAKEGPU_CALL(cuStreamCreate, Needs::kContext);
  if (flags > 1) return misuse(kInvalidValue, "cuStreamCreate: flags " + std::to_string(flags));
  auto stream = std::make_shared<Stream>();
  stream->device = current_device();
  stream->is_blocking = flags == 0;
  stream->number = state().stream_count++;
  drop_finished(*current_device());
  current_device()->streams.push_back(stream);
  state().streams[*out = new_handle()] = std::move(stream);
  return kSuccess;
}
FAKEGPU_API int cuStreamCreateWithPriority(void** out, unsigned flags, int) { return cuStreamCreate(out, flags); }
FAKEGPU_API int cuStreamDestroy_v2(void* handle) {
  FAKEGPU_CALL(cuStreamDestroy_v2, Needs::kContext);
  if (!stream_of(handle, "cuStreamDestroy") || !state().streams.count(handle)) return kInvalidHandle;
  state().streams.erase(handle);  // what waits in it still runs
  return kSuccess;
}
FAKEGPU_API int cuStreamSynchronize(void* handle) {
  FAKEGPU_CALL(cuStreamSynchronize, Needs::kContext);
  StreamRef stream = stream_of(handle, "cuStreamSynchronize");
  if (!stream) return kInvalidHandle;
  if (int error = refuse_in_capture(stream, "cuStreamSynchronize")) return error;
  for (const StreamRef& other : stream->device->streams)
    if (stream->is_null && other->is_blocking) wait_for(other);
  return wait_for(stream);
}
FAKEGPU_API int cuStreamQuery(void* handle) {
  FAKEGPU_CALL(cuStreamQuery, Needs::kContext);
  StreamRef stream = stream_of(handle, "cuStreamQuery");
  if (!stream) return kInvalidHandle;
  if (int error = refuse_in_capture(stream, "cuStreamQuery")) return error;
  if (stream->queue.empty()) return wait_for(stream);
  run_one(stream);  // time passes: who asks often enough gets there
  return stream->device->sticky ? stream->device->sticky : static_cast<int>(kNotReady);
}
FAKEGPU_API int cuStreamWaitEvent(void* stream_handle, void* event_handle, unsigned) {
  FAKEGPU_CALL(cuStreamWaitEvent, Needs::kContext);
  StreamRef stream = stream_of(stream_handle, "cuStreamWaitEvent");
  std::shared_ptr<Event> event = event_of(event_handle, "cuStreamWaitEvent");
  if (!stream || !event) return kInvalidHandle;
  if (event->capture || stream->capture) return capture_wait(stream, *event);
  if (!event->is_recorded) return kSuccess;
  return enqueue(stream, {.what = "wait", .after = {{event->stream, event->position}}, .clock = event->clock});
}

FAKEGPU_API int cuEventCreate(void** out, unsigned flags) {
  FAKEGPU_CALL(cuEventCreate, Needs::kContext);
  if (flags & ~7u) return misuse(kInvalidValue, "cuEventCreate: flags " + std::to_string(flags));
  auto event = std::make_shared<Event>();
  event->device = current_device();
  event->has_timing = !(flags & 2);
  state().events[*out = new_handle()] = std::move(event);
  return kSuccess;
}
FAKEGPU_API int cuEventDestroy_v2(void* handle) {
  FAKEGPU_CALL(cuEventDestroy_v2, Needs::kContext);
  if (!event_of(handle, "cuEventDestroy")) return kInvalidHandle;
  state().events.erase(handle);
  return kSuccess;
}
FAKEGPU_API int cuEventRecord(void* event_handle, void* stream_handle) {
  FAKEGPU_CALL(cuEventRecord, Needs::kContext);
  StreamRef stream = stream_of(stream_handle, "cuEventRecord");
  std::shared_ptr<Event> event = event_of(event_handle, "cuEventRecord");
  if (!stream || !event) return kInvalidHandle;
  if (event->device != stream->device)
    return misuse(kInvalidHandle, "cuEventRecord: the event is of device " + std::to_string(event->device->index) +
                                      ", the stream of device " + std::to_string(stream->device->index));
  event->is_recorded = true;
  event->stream = stream;
  event->capture = stream->capture;
  if (stream->capture) {
    event->position = stream->captured;
    return kSuccess;
  }
  auto time = std::make_shared<double>(-1);
  event->time = time;
  int error = enqueue(stream, {.what = "event", .run = [time] { *time = now_ms(); }});
  event->position = stream->issued;
  event->clock = stream->clock;
  return error;
}
FAKEGPU_API int cuEventQuery(void* handle) {
  FAKEGPU_CALL(cuEventQuery, Needs::kContext);
  std::shared_ptr<Event> event = event_of(handle, "cuEventQuery");
  if (!event) return kInvalidHandle;
  if (event->capture)
    return misuse(kStreamCaptureUnsupported, "cuEventQuery of an event that was recorded in a capture");
  if (!event->is_recorded) return kSuccess;
  if (event->stream->done >= event->position) return wait_for_event(*event);
  run_one(event->stream);
  return event->device->sticky ? event->device->sticky : static_cast<int>(kNotReady);
}
FAKEGPU_API int cuEventSynchronize(void* handle) {
  FAKEGPU_CALL(cuEventSynchronize, Needs::kContext);
  std::shared_ptr<Event> event = event_of(handle, "cuEventSynchronize");
  if (!event) return kInvalidHandle;
  if (event->capture)
    return misuse(kStreamCaptureUnsupported, "cuEventSynchronize of an event that was recorded in a capture");
  return event->is_recorded ? wait_for_event(*event) : static_cast<int>(kSuccess);
}
FAKEGPU_API int cuEventElapsedTime(float* out, void* from_handle, void* to_handle) {
  FAKEGPU_CALL(cuEventElapsedTime, Needs::kContext);
  std::shared_ptr<Event> from = event_of(from_handle, "cuEventElapsedTime"),
                         to = event_of(to_handle, "cuEventElapsedTime");
  if (!from || !to) return kInvalidHandle;
  if (!from->has_timing || !to->has_timing)
    return misuse(kInvalidHandle, "cuEventElapsedTime of an event without timing");
  if (!from->time || !to->time) return misuse(kInvalidHandle, "cuEventElapsedTime of an event that was never recorded");
  if (*from->time < 0 || *to->time < 0) return kNotReady;
  *out = static_cast<float>(*to->time - *from->time);
  return kSuccess;
}
FAKEGPU_API int cuEventElapsedTime_v2(float* out, void* from, void* to) { return cuEventElapsedTime(out, from, to); }
