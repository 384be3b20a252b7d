// opgen: the tables of ops, flags, layers and optimisers -> the files that repeat them: prototypes, bodies, documentation,
// the list of exported symbols, what Python declares.
//
//   opgen ROOT          writes those that differ below the repository ROOT
//   opgen --layers      prints the table of layers as JSON, for generators of classes in other languages
//   opgen --check ROOT  writes nothing; fails and names each file that differs, and each row without reference vectors
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "tools/opgen/files.h"

namespace opgen {

namespace fs = std::filesystem;

static std::string content_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

static std::string without_comments(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    size_t from = text.find("/*", at);
    out += text.substr(at, from - at);
    if (from == text.npos) break;
    size_t to = text.find("*/", from + 2);
    at = to == text.npos ? text.size() : to + 2;
  }
  return out;
}

File symbols(const std::vector<std::string>& headers) {
  std::set<std::string> names;
  for (const std::string& header : headers) {
    std::string text = without_comments(header);
    for (size_t at = 0; (at = text.find("\nJT_API ", at)) != text.npos;) {
      size_t open = text.find('(', at), from = text.find_last_of(" *\n", open) + 1;
      names.insert(text.substr(from, open - from));
      at = open;
    }
  }
  std::string out = std::string("# ") + kGenerated + "\n";
  for (const std::string& name : names) out += name + "\n";
  return {"capi/symbols.txt", out};
}

static std::vector<std::string> header_contents(const fs::path& root, const File& ops_header) {
  std::vector<fs::path> paths;
  for (const fs::directory_entry& e : fs::directory_iterator(root / "capi/include/jt"))
    if (e.path().extension() == ".h" && e.path().filename() != "jt_ops.h") paths.push_back(e.path());
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> out{ops_header.content};
  for (const fs::path& path : paths) out.push_back(content_of(path));
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
  std::vector<File> files{ops_header, bodies(table), docs(table), flags_doc(), layers_doc(), python_ops(table), python_names(table), python_optimizers(), python_layers(),
                          python_stub(table, content_of(root / "bindings/python/stub_head.pyi")), symbols(header_contents(root, ops_header))};
  int stale = 0;
  for (const File& file : files) {
    if (content_of(root / file.path) == file.content) continue;
    stale++;
    if (only_check) {
      std::fprintf(stderr, "%s is stale; refresh it with: cmake --build build/release --target generate\n", file.path.c_str());
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
  return only_check && stale;
}

}  // namespace opgen

int main(int argc, char** argv) try {
  if (argc == 2 && std::string(argv[1]) == "--layers") return std::fputs(opgen::layers_json().c_str(), stdout) < 0;
  bool only_check = argc == 3 && std::string(argv[1]) == "--check";
  if (argc != 2 + only_check) {
    std::fprintf(stderr, "usage: opgen [--check] ROOT, or opgen --layers\n");
    return 2;
  }
  return opgen::run(argv[argc - 1], only_check);
} catch (const std::exception& e) {
  std::fprintf(stderr, "opgen: %s\n", e.what());
  return 2;
}
