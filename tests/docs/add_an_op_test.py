#!/usr/bin/env python3
"""add_an_op_test.py ROOT CMAKE SCRATCH [CACHE-ARGUMENT...]: does what docs/ADD-AN-OP.md and docs/ADD-A-REWRITE.md say in a
copy of the sources, and sees the op in the header, in the documentation and at work, and the rule fire.

What does not depend on the op table comes from ccache where there is one.
"""
import os
import pathlib
import re
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from document import blocks, fail, run, run_c

SOURCES = ("CMakeLists.txt", "CMakePresets.json", "LICENSE", "backends", "capi", "cmake", "core", "docs", "bindings", "examples/backend", "tools")

REWRITE = r"""
#include <jt/jt.h>
#include <stdio.h>
int main(void) {
  static char text[4096];
  float value = 1.5f;
  jt_runtime* rt;
  jt_context* ctx;
  jt_tensor *x, *low, *y;
  size_t room;
  jt_runtime_create(NULL, &rt), jt_context_create(rt, &ctx);
  jt_tensor_from_bytes(ctx, &value, sizeof value, JT_F32, NULL, 0, &x);
  jt_floor(ctx, x, &low), jt_ceil(ctx, low, &y);
  if (jt_graph_print(ctx, &y, 1, JT_STAGE_SIMPLIFY, text, sizeof text, &room)) return puts(jt_last_error_message()), 1;
  fputs(text, stdout);
  return 0;
}
"""


def copy_sources(root, copy):
    for name in SOURCES:
        source, target = root / name, copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)


def add_row(file, row, before):
    text = file.read_text()
    if row in text or before not in text:
        fail(f"{file}: the page's row is there already, or '{before}' is not")
    file.write_text(text.replace(before, row + before, 1))


def expect(text, part, what):
    if part not in text:
        fail(f"{what} does not hold '{part}':\n{text[:4000]}")


def main(root, cmake, scratch, *cache_arguments):
    root, scratch = pathlib.Path(root).resolve(), pathlib.Path(scratch).resolve()
    shutil.rmtree(scratch, ignore_errors=True)
    copy = scratch / "jt"
    build = copy / "build/release"
    copy_sources(root, copy)
    if (root / "third_party").exists():  # what scripts/setup fetched
        shutil.copytree(root / "third_party", copy / "third_party")

    op_page, rule_page = root / "docs/ADD-AN-OP.md", root / "docs/ADD-A-REWRITE.md"
    row, rule = blocks(op_page, "c++")[0], blocks(rule_page, "c++")[0]
    add_row(copy / "core/ir/ops.def", row, "JT_UNARY( relu,")
    add_row(copy / "core/rewrite/algebra.def", rule, "JT_RULE(FLOAT,    EXACT,     floor(floor(x)),")

    run([cmake, "-G", "Ninja", "-S", copy, "-B", build, "-DCMAKE_BUILD_TYPE=Release", "-DJT_BUILD_TESTS=OFF", "-DJT_BUILD_EXAMPLES=OFF",
         *cache_arguments])
    jobs = ["--parallel", os.environ.get("JT_TEST_JOBS", "2")]
    stands_for = {"cmake": cmake, "build/release": build}
    run([stands_for.get(word, word) for word in blocks(op_page, "sh")[0].split()])
    expect((copy / "capi/include/jt/jt_ops.h").read_text(), "jt_status jt_softsign(jt_context* ctx, jt_tensor* x, jt_tensor** out);",
           "jt_ops.h")
    expect((copy / "docs/OPS.md").read_text(), "### softsign", "docs/OPS.md")
    expect((copy / "capi/symbols.txt").read_text(), "jt_softsign\n", "capi/symbols.txt")
    # Every language has it with its documentation, without an edit.
    doc = re.search(r'"([^"]*)"\)$', row.strip()).group(1)
    for file, part in (("python/ops.i", "jt_softsign(jt_context* ctx, jt_tensor* x"), ("python/jt/_C.pyi", "def softsign("),
                       ("rust/jt-sys/src/api.rs", "pub fn jt_softsign("), ("rust/jt/src/ops.rs", "pub fn try_softsign(&self) -> Result<Tensor>")):
        text = (copy / "bindings" / file).read_text()
        expect(text, part, file)
        if not file.endswith(".pyi"):
            expect(text.replace("\\", ""), doc, file)

    run([cmake, "--build", build, "--target", "jt", *jobs])
    said = run_c(blocks(op_page, "c")[0], copy / "capi/include", build / "lib", scratch, "softsign")
    if said != blocks(op_page, "text")[0]:
        fail(f"the program of docs/ADD-AN-OP.md says\n{said}")
    simplified = run_c(REWRITE, copy / "capi/include", build / "lib", scratch, "rewrite")
    expect(simplified, "floor", "the simplified graph")
    if "ceil" in simplified:
        fail(f"the rule of docs/ADD-A-REWRITE.md did not fire:\n{simplified}")
    shutil.rmtree(scratch)


if __name__ == "__main__":
    main(*sys.argv[1:])
