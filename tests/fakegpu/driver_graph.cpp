// Graphs: operations captured from streams instead of run, replayed as one operation. A graph keeps them in the order
// of their calls, which is one that their dependences allow.
#include "tests/fakegpu/driver.h"

namespace fakegpu {

// Waiting for an event of a capture joins that capture; an event from outside has no place in one.
int capture_wait(const StreamRef& stream, const Event& event) {
  if (!event.capture || (stream->capture && stream->capture != event.capture))
    return misuse(kStreamCaptureIsolation,
                  "cuStreamWaitEvent: the stream is being captured, the event was recorded outside of that capture");
  if (!stream->capture) {
    stream->capture = event.capture;
    stream->is_capture_origin = false;
    stream->captured = 0;
    event.capture->streams.insert(stream.get());
    event.capture->unjoined.insert(stream.get());
  }
  if (event.stream != stream && event.position == event.stream->captured)
    event.capture->unjoined.erase(event.stream.get());
  return kSuccess;
}

static std::shared_ptr<Graph> graph_of(std::unordered_map<void*, std::shared_ptr<Graph>>& table, void* handle,
                                       const char* caller) {
  auto found = table.find(handle);
  if (found != table.end()) return found->second;
  find(std::string(caller) + ": no such graph, or it is destroyed");
  return nullptr;
}

static bool same_shape(const Graph& a, const Graph& b) {
  if (a.nodes.size() != b.nodes.size()) return false;
  for (size_t i = 0; i < a.nodes.size(); ++i)
    if (a.nodes[i].what != b.nodes[i].what || a.nodes[i].function != b.nodes[i].function) return false;
  return true;
}

}  // namespace fakegpu

using namespace fakegpu;

FAKEGPU_API int cuStreamBeginCapture_v2(void* handle, int mode) {
  FAKEGPU_CALL(cuStreamBeginCapture_v2, Needs::kContext);
  StreamRef stream = stream_of(handle, "cuStreamBeginCapture");
  if (!stream) return kInvalidHandle;
  if (stream->is_null) return misuse(kStreamCaptureUnsupported, "cuStreamBeginCapture of the null stream");
  if (stream->capture || mode < 0 || mode > 2)
    return misuse(kInvalidValue, "cuStreamBeginCapture: captured already, or no such mode");
  stream->capture = std::make_shared<Graph>();
  stream->capture->device = stream->device;
  stream->capture->streams.insert(stream.get());
  stream->is_capture_origin = true;
  stream->captured = 0;
  return kSuccess;
}
FAKEGPU_API int cuStreamEndCapture(void* handle, void** out) {
  FAKEGPU_CALL(cuStreamEndCapture, Needs::kContext);
  StreamRef stream = stream_of(handle, "cuStreamEndCapture");
  if (!stream) return kInvalidHandle;
  if (!stream->capture || !stream->is_capture_origin)
    return misuse(kInvalidValue, "cuStreamEndCapture: no capture began in this stream");
  std::shared_ptr<Graph> graph = stream->capture;
  for (StreamRef& each : stream->device->streams)
    if (each->capture == graph) each->capture = nullptr;
  *out = nullptr;
  if (graph->is_invalid) return kStreamCaptureInvalidated;
  if (!graph->unjoined.empty())
    return misuse(kStreamCaptureUnjoined, "cuStreamEndCapture: another stream took part, for whose end none waits");
  state().graphs[*out = new_handle()] = std::move(graph);
  return kSuccess;
}
FAKEGPU_API int cuStreamIsCapturing(void* handle, int* out) {
  FAKEGPU_CALL(cuStreamIsCapturing, Needs::kContext);
  StreamRef stream = stream_of(handle, "cuStreamIsCapturing");
  if (!stream) return kInvalidHandle;
  *out = !stream->capture ? 0 : stream->capture->is_invalid ? 2 : 1;
  return kSuccess;
}
FAKEGPU_API int cuGraphInstantiateWithFlags(void** out, void* handle, unsigned long long) {
  FAKEGPU_CALL(cuGraphInstantiateWithFlags, Needs::kContext);
  std::shared_ptr<Graph> graph = graph_of(state().graphs, handle, "cuGraphInstantiate");
  if (!graph) return kInvalidValue;
  state().graph_execs[*out = new_handle()] = std::make_shared<Graph>(*graph);
  return kSuccess;
}
FAKEGPU_API int cuGraphLaunch(void* handle, void* stream_handle) {
  FAKEGPU_CALL(cuGraphLaunch, Needs::kContext);
  StreamRef stream = stream_of(stream_handle, "cuGraphLaunch");
  std::shared_ptr<Graph> exec = graph_of(state().graph_execs, handle, "cuGraphLaunch");
  if (!stream || !exec) return kInvalidHandle;
  for (const Operation& node : exec->nodes)
    if (node.function && !state().functions.count(node.function))
      return misuse(kInvalidHandle, "cuGraphLaunch: the module of a kernel in it is unloaded");
  return enqueue(stream, {.what = "graph", .run = [nodes = exec->nodes] {
    for (const Operation& node : nodes)
      if (node.run) node.run();
  }});
}
// CUgraphExecUpdateResultInfo: the result first. 2: the topology changed.
FAKEGPU_API int cuGraphExecUpdate_v2(void* exec_handle, void* handle, int* result) {
  FAKEGPU_CALL(cuGraphExecUpdate_v2, Needs::kContext);
  std::shared_ptr<Graph> exec = graph_of(state().graph_execs, exec_handle, "cuGraphExecUpdate"),
                         graph = graph_of(state().graphs, handle, "cuGraphExecUpdate");
  if (!exec || !graph) return kInvalidValue;
  bool fits = same_shape(*exec, *graph);
  if (result) *result = fits ? 0 : 2;
  if (!fits) return kGraphExecUpdateFailure;
  exec->nodes = graph->nodes;
  return kSuccess;
}
FAKEGPU_API int cuGraphExecDestroy(void* handle) {
  FAKEGPU_CALL(cuGraphExecDestroy, Needs::kContext);
  if (!graph_of(state().graph_execs, handle, "cuGraphExecDestroy")) return kInvalidValue;
  state().graph_execs.erase(handle);
  return kSuccess;
}
FAKEGPU_API int cuGraphDestroy(void* handle) {
  FAKEGPU_CALL(cuGraphDestroy, Needs::kContext);
  if (!graph_of(state().graphs, handle, "cuGraphDestroy")) return kInvalidValue;
  state().graphs.erase(handle);
  return kSuccess;
}
