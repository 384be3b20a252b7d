// Layers against PyTorch's answers (vectors.txt, made by make_vectors.py): results, gradients, buffers; in f64 and in
// f32.
#include <fstream>
#include <set>

#include "tests/nn/module.h"

using namespace jt::test;

namespace {

struct Array {
  Dims dims;
  std::vector<double> data;
};
struct Case {
  std::string kind, fields, text;
  bool is_training;
  std::map<std::string, Array> set, in, labels, out, dy, grad, after;
};

Array read_array(std::istringstream& in) {
  Array a;
  std::string extents, word;
  in >> extents;
  std::istringstream list(extents.substr(1, extents.size() - 2));
  for (std::string extent; std::getline(list, extent, ',');) a.dims.push_back(std::stoll(extent));
  while (in >> word) a.data.push_back(std::stod(word));
  return a;
}

std::vector<Case> read_cases() {
  std::vector<Case> cases;
  std::ifstream file(JT_NN_VECTORS);
  for (std::string line; std::getline(file, line);) {
    std::istringstream in(line);
    std::string what, name;
    in >> what >> name;
    if (what == "case") {
      Case c;
      std::string mode;
      in >> mode;
      c.kind = name, c.is_training = mode == "train", c.text = line;
      std::getline(in, c.fields);
      cases.push_back(c);
      continue;
    }
    Case& c = cases.back();
    auto& place = what == "set" ? c.set : what == "in" ? c.in : what == "int" ? c.labels : what == "out" ? c.out
                : what == "dy" ? c.dy : what == "grad" ? c.grad : c.after;
    place[name] = read_array(in);
  }
  return cases;
}

struct Runner {
  const Session& s;
  jt_dtype dtype;
  double bound;

  Tensor tensor(const Array& a, jt_dtype t) const {
    if (t == JT_F64) return s.of(t, a.dims, a.data);
    if (t == JT_I64) return s.of(t, a.dims, std::vector<int64_t>(a.data.begin(), a.data.end()));
    return s.of(t, a.dims, std::vector<float>(a.data.begin(), a.data.end()));
  }
  std::vector<double> numbers(jt_tensor* x) const {
    return s.read<double>(s.make(jt_cast, x, JT_F64));
  }
  void expect(const std::string& what, jt_tensor* got, const Array& want) const {
    ASSERT_EQ(size_t(jt_tensor_ndim(got)), want.dims.size()) << what;
    for (size_t i = 0; i < want.dims.size(); i++) ASSERT_EQ(jt_tensor_dim(got, int32_t(i)), want.dims[i]) << what;
    std::vector<double> values = numbers(got);
    for (size_t i = 0; i < values.size(); i++)
      ASSERT_NEAR(values[i], want.data[i], bound * (1 + std::fabs(want.data[i]))) << what << ", element " << i;
  }

  void run(const Case& c) const {
    Module m(s, c.kind.c_str(), Fields(c.fields).dtype(dtype));
    m.training(c.is_training);
    for (auto& [name, value] : c.set) {
      jt_tensor* old = nullptr;
      bool is_there = jt_module_get(s.ctx, m, name.c_str(), JT_NUL, &old) == JT_OK;
      Tensor kept(old), given = tensor(value, is_there ? jt_tensor_dtype(old) : dtype);
      if (is_there) must(jt_tensor_assign(s.ctx, old, given));
      else m.set(name, given);
    }
    std::vector<Tensor> inputs;
    std::vector<jt_tensor*> handles, asked, grads;
    for (size_t i = 0; c.in.count(std::to_string(i)) || c.labels.count(std::to_string(i)); i++) {
      bool is_real = c.in.count(std::to_string(i));
      inputs.push_back(is_real ? tensor(c.in.at(std::to_string(i)), dtype)
                               : tensor(c.labels.at(std::to_string(i)), JT_I64));
      if (is_real) must(jt_tensor_set_requires_grad(s.ctx, inputs.back(), 1));
      handles.push_back(inputs.back());
    }
    std::vector<Tensor> outputs = m.run(handles, c.out.size()), wanted;
    Tensor total;
    for (size_t i = 0; i < outputs.size(); i++) {
      std::string name = std::to_string(i);
      expect("result " + name, outputs[i], c.out.at(name));
      Tensor part = s.sum(s.make(jt_mul, outputs[i], tensor(c.dy.at(name), dtype)));
      total = i ? s.make(jt_add, total, part) : part;
    }
    for (auto& [name, value] : c.grad) {
      wanted.push_back(std::isdigit(name[0]) ? inputs[size_t(name[0] - '0')] : m.get(name));
      asked.push_back(wanted.back());
    }
    grads.resize(asked.size());
    if (!asked.empty())
      must(
          jt_grad(s.ctx, total, asked.data(), asked.size(), nullptr, JT_GRAD_ALLOW_UNUSED, grads.data(), grads.size()));
    std::vector<Tensor> held(grads.begin(), grads.end());
    size_t i = 0;
    for (auto& [name, value] : c.grad) expect("gradient of " + name, held[i++], value);
    for (auto& [name, value] : c.after) expect(name + " afterwards", m.get(name), value);
  }
};

TEST(Layers, GiveWhatPyTorchGives) {
  std::set<std::string> seen;
  for (jt_dtype dtype : {JT_F64, JT_F32}) {
    Session s;
    Runner runner{s, dtype, dtype == JT_F64 ? 1e-11 : 3e-5};
    for (const Case& c : read_cases()) {
      SCOPED_TRACE(c.text + (dtype == JT_F64 ? " in f64" : " in f32"));
      seen.insert(c.kind);
      try {
        runner.run(c);
      } catch (const std::exception&) {  // reported by must
      }
    }
  }
  const std::set<std::string> tested_elsewhere{"Module", "Sequential", "RMSNorm", "Dropout1d", "Dropout3d", "DropPath"};
  for (size_t i = 0; i < jt_layer_count(); i++)
    EXPECT_TRUE(seen.count(jt_layer_name(i)) || tested_elsewhere.count(jt_layer_name(i)))
        << jt_layer_name(i) << " has no vector";
}

}  // namespace
