#include "core/data/idx.h"

#include <zlib.h>

#include "tests/io/scratch.h"

namespace jt::test {

// An IDX file from its dtype code, extents and values.
static std::string idx(int code, std::vector<uint32_t> dims, std::string_view values) {
  std::string file{'\0', '\0', char(code), char(dims.size())};
  for (uint32_t extent : dims)
    for (int shift = 24; shift >= 0; shift -= 8) file += char(extent >> shift);
  return file.append(values);
}

static std::string gzipped(std::string_view bytes) {
  z_stream stream = {};
  deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(compressBound(bytes.size()) + 64, '\0');
  stream.next_in = (Bytef*)bytes.data();
  stream.avail_in = uInt(bytes.size());
  stream.next_out = (Bytef*)out.data();
  stream.avail_out = uInt(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

static std::string error_in(std::string_view file) {
  return error_of([&] { parse_idx(view_of(file), "f"); });
}

template <class T>
static std::vector<T> values(const IdxArray& array) {
  const T* data = (const T*)array.values.data.get();
  return {data, data + array.values.size / sizeof(T)};
}

TEST(idx, every_dtype_comes_out_in_host_order) {
  using namespace std::literals;
  EXPECT_EQ(values<uint8_t>(parse_idx(view_of(idx(8, {3}, "\1\2\xff")), "f")),
            (std::vector<uint8_t>{1, 2, 255}));
  EXPECT_EQ(values<int8_t>(parse_idx(view_of(idx(9, {2}, "\1\xff")), "f")), (std::vector<int8_t>{1, -1}));
  EXPECT_EQ(values<int16_t>(parse_idx(view_of(idx(0xb, {2}, "\1\2\xff\xfe")), "f")),
            (std::vector<int16_t>{258, -2}));
  EXPECT_EQ(values<int32_t>(parse_idx(view_of(idx(0xc, {1}, "\0\0\1\0"sv)), "f")),
            (std::vector<int32_t>{256}));
  EXPECT_EQ(values<float>(parse_idx(view_of(idx(0xd, {1}, "\x3f\xc0\0\0"sv)), "f")),
            (std::vector<float>{1.5f}));
  EXPECT_EQ(values<double>(parse_idx(view_of(idx(0xe, {1}, "\x3f\xf8\0\0\0\0\0\0"sv)), "f")),
            (std::vector<double>{1.5}));
}

TEST(idx, plain_and_packed_files_are_told_apart_by_content) {
  Scratch scratch;
  std::string file = idx(8, {2, 3}, "abcdef");
  put(scratch / "plain.gz", file);
  put(scratch / "packed", gzipped(file));
  for (const char* name : {"plain.gz", "packed"}) {
    IdxArray array = read_idx(scratch / name);
    EXPECT_EQ(array.dtype, JT_U8);
    EXPECT_EQ(array.dims, (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(std::string(array.values.data.get(), array.values.size), "abcdef");
  }
}

TEST(idx, empty_and_scalar_arrays_are_arrays) {
  EXPECT_EQ(parse_idx(view_of(idx(8, {0, 28, 28}, "")), "f").values.size, 0u);
  EXPECT_EQ(parse_idx(view_of(idx(8, {}, "x")), "f").values.size, 1u);
  EXPECT_EQ(parse_idx(view_of(gzipped(idx(8, {0}, ""))), "f").values.size, 0u);
}

TEST(idx, wrong_files_are_named_with_fact_and_both_values) {
  Scratch scratch;
  std::string thousand(1000, 'x');
  std::string path = scratch / "train";
  for (bool is_packed : {false, true}) {
    std::string file = idx(8, {60000, 28, 28}, thousand);
    put(path, is_packed ? gzipped(file) : file);
    EXPECT_EQ(error_of([&] { read_idx(path); }),
              "idx: '" + path + "' holds 1000 bytes of data, its header says 47040000");
    file = idx(8, {10}, thousand);
    EXPECT_EQ(error_in(is_packed ? gzipped(file) : file),
              "idx: 'f' holds 1000 bytes of data, its header says 10");
  }
  EXPECT_EQ(error_in(""), "idx: 'f' holds 0 bytes, its magic number alone takes 4");
  EXPECT_EQ(error_in("PK\3\4 and more"),
            "idx: 'f' begins with 504b0304, expected 0000, a dtype code (08 to 0e) and a rank");
  EXPECT_EQ(error_in(std::string_view("\0\0\x0a\1", 4)),
            "idx: 'f' begins with 00000a01, expected 0000, a dtype code (08 to 0e) and a rank");
  EXPECT_EQ(error_in(std::string_view("\0\0\x08\x09", 4)), "idx: 'f' has 9 axes, at most 8 allowed");
  EXPECT_EQ(error_in(idx(8, {1, 2}, "").substr(0, 9)),
            "idx: 'f' ends within its header: 2 axes claimed, 1 given");
  EXPECT_EQ(error_in(idx(8, {~0u, ~0u, ~0u}, "")),
            "idx: 'f' claims the shape [4294967295,4294967295,4294967295], which does not fit 63 bits");
  EXPECT_EQ(error_of([] { read_idx("/nowhere/x"); }), "cannot read '/nowhere/x': No such file or directory");
}

TEST(idx, a_header_that_claims_much_costs_nothing) {
  EXPECT_NE(error_in(idx(8, {0x7fffffff, 0x7fffffff}, "x")), "no error");
  EXPECT_NE(error_in(gzipped(idx(8, {0x7fffffff, 0x7fffffff}, "x"))), "no error");
}

TEST(idx, every_truncation_and_every_changed_byte_is_survived) {
  std::string plain = idx(8, {2, 8}, "abcdefghabcdefgh");
  for (const std::string& good : {plain, gzipped(plain)}) {
    for (size_t size = 0; size < good.size(); size++)
      EXPECT_NE(error_in(good.substr(0, size)), "no error") << size;
    EXPECT_NE(error_in(good + '\0'), "no error");
    for (size_t at = 0; at < good.size(); at++)
      for (int value = 0; value < 256; value++) {
        std::string damaged = good;
        damaged[at] = char(value);
        try {
          IdxArray array = parse_idx(view_of(damaged), "f");
          size_t count = 1;
          for (int64_t extent : array.dims) count *= size_t(extent);
          ASSERT_EQ(array.values.size, count * size_of(array.dtype));
          // gzip carries a checksum: what passes it is the same array.
          if (good[0] == '\x1f') {
            ASSERT_EQ(std::string(array.values.data.get(), array.values.size), plain.substr(12));
          }
        } catch (const Error& error) {
          ASSERT_EQ(error.code(), JT_E_IO);
        }
      }
  }
}

}  // namespace jt::test
