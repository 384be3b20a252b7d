// opgen: the tables of ops, flags, layers, optimisers and of the C API's hand-written part -> the files that repeat
// them: prototypes, bodies, documentation, the list of exported symbols, and, from one model of all of it (api.h), what
// the bindings of every language declare. It fails, and says why, where a table and a header do not agree.
//
//   opgen ROOT          writes those that differ below the repository ROOT
//   opgen --java FOLDER writes the generated part of the Java binding below FOLDER
//   opgen --layers      prints the table of layers as JSON, for generators of classes in other languages
//   opgen --check ROOT  writes nothing; fails and names each file that differs, and each row without reference vectors
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "tools/opgen/files.h"
#include "tools/opgen/java.h"

namespace opgen {

namespace fs = std::filesystem;

static std::string content_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

File symbols(const Headers& headers) {
  std::set<std::string> names;
  for (const Declaration& function : headers.functions) names.insert(function.name);
  std::string out = std::string("# ") + kGenerated + "\n";
  for (const std::string& name : names) out += name + "\n";
  return {"capi/symbols.txt", out};
}

static Headers headers_of(const fs::path& root, const File& ops_header) {
  std::vector<fs::path> paths;
  for (const fs::directory_entry& e : fs::directory_iterator(root / "capi/include/jt"))
    if (e.path().extension() == ".h" && e.path().filename() != "jt_backend.h") paths.push_back(e.path());
  std::sort(paths.begin(), paths.end());
  Headers out;
  for (const fs::path& path : paths)
    read_header(path.filename() == "jt_ops.h" ? ops_header.content : content_of(path), out);
  return out;
}

// Element, cast and reduce rows without reference vectors: lines of tests/ops/vectors.txt begin with the row's name.
static std::vector<std::string> rows_without_vectors(const fs::path& root, const std::vector<Row>& table) {
  std::set<std::string> tested;
  std::istringstream lines(content_of(root / "tests/ops/vectors.txt"));
  for (std::string line; std::getline(lines, line);) tested.insert(line.substr(0, line.find(' ')));
  std::vector<std::string> out;
  for (const Row& row : table) {
    jt::Kind kind = row.def->kind;
    bool needs = kind == jt::Kind::element || kind == jt::Kind::cast || kind == jt::Kind::reduce;
    if (needs && !tested.count(row.def->name)) out.push_back(row.def->name);
  }
  return out;
}

static int run(const fs::path& root, bool only_check) {
  std::vector<Row> table = rows();
  File ops_header = header(table);
  std::vector<std::string> complaints;
  Api api = make_api(table, headers_of(root, ops_header), complaints);
  for (const std::string& complaint : complaints) std::fprintf(stderr, "%s\n", complaint.c_str());
  std::vector<File> files{ops_header,         bodies(table),
                          docs(table),        flags_doc(),
                          layers_doc(),       symbols(api.headers),
                          swig_api(api),      python_ops(api),
                          python_names(api),  python_optimizers(api),
                          python_layers(api), python_stub(api, content_of(root / "bindings/python/stub_head.pyi")),
                          rust_sys(api),      rust_layout(api),
                          rust_ops(api),      rust_kinds(api),
                          rust_layers(api),   rust_optimizers(api),
                          rust_calls(api)};
  int stale = 0;
  for (const File& file : files) {
    if (content_of(root / file.path) == file.content) continue;
    stale++;
    if (only_check) {
      std::fprintf(stderr, "%s is stale; refresh it with: cmake --build build/release --target generate\n",
                   file.path.c_str());
      continue;
    }
    fs::create_directories((root / file.path).parent_path());
    std::ofstream(root / file.path, std::ios::binary) << file.content;
    std::printf("wrote %s\n", file.path.c_str());
  }
  if (only_check) {
    for (const std::string& name : rows_without_vectors(root, table)) {
      std::fprintf(stderr, "%s has no reference vectors; add it to tests/ops/make_vectors.py\n", name.c_str());
      stale++;
    }
  }
  return !complaints.empty() || (only_check && stale);
}

// Files as they were keep their time, so that nothing is compiled anew for them.
static int write_java(const fs::path& folder) {
  for (const File& file : java_files(op_functions(rows()))) {
    if (content_of(folder / file.path) == file.content) continue;
    fs::create_directories((folder / file.path).parent_path());
    std::ofstream(folder / file.path, std::ios::binary) << file.content;
  }
  return 0;
}

}  // namespace opgen

int main(int argc, char** argv) try {
  if (argc == 2 && std::string(argv[1]) == "--layers") return std::fputs(opgen::layers_json().c_str(), stdout) < 0;
  if (argc == 3 && std::string(argv[1]) == "--java") return opgen::write_java(argv[2]);
  bool only_check = argc == 3 && std::string(argv[1]) == "--check";
  if (argc != 2 + only_check) {
    std::fprintf(stderr, "usage: opgen [--check] ROOT, opgen --java FOLDER, or opgen --layers\n");
    return 2;
  }
  return opgen::run(argv[argc - 1], only_check);
} catch (const std::exception& e) {
  std::fprintf(stderr, "opgen: %s\n", e.what());
  return 2;
}
