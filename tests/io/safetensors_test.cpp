#include "core/io/safetensors.h"

#include <algorithm>
#include <cstring>

#include "core/base/utf8.h"
#include "tests/io/scratch.h"

namespace jt::test {

static std::string header(std::string_view json, std::string_view values = "") {
  std::string file;
  for (int i = 0; i < 8; i++) file += char(json.size() >> (8 * i));
  return file.append(json).append(values);
}

static std::string error_in(const std::string& file) {
  return error_of([&] { parse_safetensors(bytes_from(file), "f"); });
}

static std::string error_in_header(std::string_view json, std::string_view values = "") {
  return error_in(header(json, values));
}

static const NamedTensor* find(const TensorFile& file, std::string_view name) {
  for (const NamedTensor& tensor : file.tensors)
    if (tensor.name == name) return &tensor;
  return nullptr;
}

// ---- round trips ----

TEST(safetensors, every_dtype_and_shape_comes_back) {
  Scratch scratch;
  std::string bytes;
  for (int i = 0; i < 24 * 8; i++) bytes += char(i * 7);
  std::string bools(24, '\1');
  std::vector<NamedTensor> tensors;
  for (int i = 1; i <= kDTypes; i++) {
    DType dtype = DType(i);
    std::string_view source = dtype == JT_BOOL ? bools : bytes;
    auto add = [&](const char* kind, std::vector<int64_t> dims, size_t count) {
      tensors.push_back(
          {std::string(name(dtype)) + kind, dtype, dims, view_of(source.substr(0, count * size_of(dtype)))});
    };
    add(" 2x3x4", {2, 3, 4}, 24);
    add(" scalar", {}, 1);
    add(" none", {3, 0, 5}, 0);
    add(" rank 8", {1, 1, 1, 1, 1, 1, 1, 3}, 3);
  }
  Metadata metadata = {{"z", "last"}, {"a", "first \"quoted\" \\ \n\t\x01"}, {"轮", "五"}};
  std::string path = scratch / "x";
  write_safetensors(path, tensors, metadata);
  TensorFile back = read_safetensors(path);
  EXPECT_EQ(back.metadata, metadata);
  ASSERT_EQ(back.tensors.size(), tensors.size());
  for (size_t i = 0; i < tensors.size(); i++) {
    const NamedTensor &wrote = tensors[i], &read = back.tensors[i];
    EXPECT_EQ(read.name, wrote.name);
    EXPECT_EQ(read.dtype, wrote.dtype);
    EXPECT_EQ(read.dims, wrote.dims);
    EXPECT_TRUE(std::ranges::equal(read.bytes, wrote.bytes)) << wrote.name;
    EXPECT_EQ((read.bytes.data() - back.storage.data.get()) % ptrdiff_t(size_of(read.dtype)), 0)
        << wrote.name;
  }
  EXPECT_EQ(content(path).substr(8, 1), "{");
}

TEST(safetensors, the_values_begin_at_a_multiple_of_64) {
  Scratch scratch;
  for (size_t length = 1; length < 70; length++) {
    NamedTensor tensor{std::string(length, 'n'), JT_U8, {1}, view_of("v")};
    write_safetensors(scratch / "x", std::span(&tensor, 1));
    EXPECT_EQ(content(scratch / "x").size() % 64, 1u);
  }
}

TEST(safetensors, odd_names_come_back) {
  Scratch scratch;
  std::vector<NamedTensor> tensors;
  for (const char* name : {"", "层.权重", "a\"b\\c/d\n\t\x01\x1f\x7f", "\xf0\x9f\x98\x80", "{}[]:,"})
    tensors.push_back({name, JT_U8, {1}, view_of("v")});
  write_safetensors(scratch / "x", tensors);
  TensorFile back = read_safetensors(scratch / "x");
  for (size_t i = 0; i < tensors.size(); i++) EXPECT_EQ(back.tensors[i].name, tensors[i].name);
}

TEST(safetensors, an_empty_file_is_a_file) {
  Scratch scratch;
  write_safetensors(scratch / "x", {});
  EXPECT_TRUE(read_safetensors(scratch / "x").tensors.empty());
}

TEST(safetensors, what_the_reference_wrote_is_read) {
  std::string folder = JT_TEST_DATA;
  EXPECT_TRUE(read_safetensors(folder + "/empty.safetensors").tensors.empty());

  TensorFile every = read_safetensors(folder + "/every_dtype.safetensors");
  EXPECT_EQ(every.tensors.size(), 12u);
  std::sort(every.metadata.begin(), every.metadata.end());
  EXPECT_EQ(every.metadata, (Metadata{{"epoch", "5"}, {"format", "np"}}));
  for (const NamedTensor& tensor : every.tensors) {
    EXPECT_EQ(tensor.dims, (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(tensor.bytes.size(), 6 * size_of(tensor.dtype));
  }
  const double kCount[] = {0, 1, 2, 3, 4, 5};
  EXPECT_EQ(std::memcmp(find(every, "F64")->bytes.data(), kCount, sizeof kCount), 0);
  const uint16_t kHalves[] = {0, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500};
  EXPECT_EQ(std::memcmp(find(every, "F16")->bytes.data(), kHalves, sizeof kHalves), 0);

  TensorFile corners = read_safetensors(folder + "/corners.safetensors");
  ASSERT_EQ(corners.tensors.size(), 4u);
  EXPECT_EQ(find(corners, "scalar")->dims.size(), 0u);
  EXPECT_EQ(find(corners, "none")->dims, (std::vector<int64_t>{0, 4}));
  EXPECT_EQ(std::string_view(find(corners, "权重 é")->bytes.data(), 3), std::string_view("\0\1\2", 3));
  EXPECT_TRUE(find(corners, "quote \" slash \\ tab \t"));
}

// ---- damage ----

TEST(safetensors, damage_is_named_with_place_and_values) {
  const char* kGood = R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  EXPECT_EQ(error_in_header(kGood, "12345678"), "no error");
  EXPECT_EQ(error_in(""), "safetensors: 'f' holds 0 bytes, the length alone takes 8");
  EXPECT_EQ(error_in(std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10)),
            "safetensors: 'f': header of 18446744073709551615 bytes claimed, 2 bytes follow");
  EXPECT_EQ(error_in_header(""), "safetensors: 'f': header byte 0: the header does not begin with '{'");
  EXPECT_EQ(error_in_header(" {}"), "safetensors: 'f': header byte 0: the header does not begin with '{'");
  EXPECT_EQ(error_in_header("{} x"), "safetensors: 'f': header byte 3: expected the end, found 'x'");
  EXPECT_EQ(error_in_header(kGood, "1234567"),
            "safetensors: 'f': header byte 53: tensor 'w' spans bytes 0 to 8 of 7");
  EXPECT_EQ(error_in_header(kGood, "123456789"),
            "safetensors: 'f' holds 9 bytes of values, its tensors take 8");
  EXPECT_EQ(error_in_header(R"({"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", "12345678"),
            "safetensors: 'f': header byte 53: tensor 'w' of shape [3] and dtype f32 takes 12 bytes, its "
            "data_offsets span 8");
  EXPECT_EQ(error_in_header(R"({"w":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}})", "12"),
            "safetensors: 'f': header byte 23: tensor 'w' has dtype 'F8_E4M3', which jt does not hold");
  EXPECT_EQ(error_in_header(R"({"w":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})", "\1\2"),
            "safetensors: 'f': tensor 'w' is BOOL and holds the byte 2");
  EXPECT_EQ(
      error_in_header(
          R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
          "123"),
      "safetensors: 'f': tensor 'b' begins at 1, the one before it ends at 2");
  EXPECT_EQ(
      error_in_header(
          R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
          "123"),
      "safetensors: 'f': tensor 'b' begins at 2, the one before it ends at 1");
}

TEST(safetensors, headers_outside_the_format_are_errors) {
  auto entry = [](std::string_view body) { return "{\"w\":{" + std::string(body) + "}}"; };
  std::string good = R"("dtype":"U8","shape":[1],"data_offsets":[0,1])";
  ASSERT_EQ(error_in_header(entry(good), "1"), "no error");
  ASSERT_EQ(error_in_header(entry(good) + " \n\t ", "1"), "no error");
  for (std::string body : {
           R"("dtype":"U8","shape":[1])",
           R"("dtype":"U8","data_offsets":[0,1])",
           R"("shape":[1],"data_offsets":[0,1])",
           R"("dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1])",
           R"("dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1])",
           R"("dtype":"U8","shape":[1],"data_offsets":[0,1],"data_offsets":[0,1])",
           R"("dtype":"U8","shape":[1],"data_offsets":[0,1],"more":1)",
           R"("dtype":"u8","shape":[1],"data_offsets":[0,1])",
           R"("dtype":8,"shape":[1],"data_offsets":[0,1])",
           R"("dtype":"U8","shape":[-1],"data_offsets":[0,1])",
           R"("dtype":"U8","shape":[1.0],"data_offsets":[0,1])",
           R"("dtype":"U8","shape":[01],"data_offsets":[0,1])",
           R"("dtype":"U8","shape":[1e0],"data_offsets":[0,1])",
           R"("dtype":"U8","shape":[[1]],"data_offsets":[0,1])",
           R"("dtype":"U8","shape":1,"data_offsets":[0,1])",
           R"("dtype":"U8","shape":[1,],"data_offsets":[0,1])",
           R"("dtype":"U8","shape":[1],"data_offsets":[0])",
           R"("dtype":"U8","shape":[1],"data_offsets":[0,1,1])",
           R"("dtype":"U8","shape":[1],"data_offsets":[1,0])",
           R"("dtype":"U8","shape":[1],"data_offsets":[1,2])",
           R"("dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,1])",
           R"("dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,1])",
           R"("dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,1])",
           R"("dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0])",
           R"("dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1])",
       })
    EXPECT_NE(error_in_header(entry(body), "1"), "no error") << body;
  for (std::string json : {"{",
                           "{\"",
                           "{\"a",
                           "{\"a\"",
                           "{\"a\":",
                           "{,}",
                           "[]",
                           "null",
                           "{} {}",
                           "{\"__metadata__\":1}",
                           "{\"__metadata__\":{\"a\":1}}",
                           "{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}",
                           "{\"__metadata__\":{},\"__metadata__\":{}}",
                           "{\"__metadata__\":{\"\\ud800\":\"\"}}",
                           "{\"__metadata__\":{\"\\udc00\":\"\"}}",
                           "{\"__metadata__\":{\"\\u0000\":\"\"}}",
                           "{\"__metadata__\":{\"\\x41\":\"\"}}",
                           "{\"__metadata__\":{\"\\u12g4\":\"\"}}",
                           "{\"__metadata__\":{\"\xff\":\"\"}}",
                           "{\"__metadata__\":{\"\xc0\x80\":\"\"}}",
                           "{\"__metadata__\":{\"\xed\xa0\x80\":\"\"}}",
                           "{\"__metadata__\":{\"\n\":\"\"}}"})
    EXPECT_NE(error_in_header(json), "no error") << json;
  EXPECT_NE(error_in_header("{\"" + std::string(1025, 'n') + "\":{" + good + "}}", "1"), "no error");
  EXPECT_NE(error_in_header(R"({"w":{)" + good + R"(},"\u0077":{)" + good + "}}", "1"),
            "no error");  // w twice
}

TEST(safetensors, escapes_are_read) {
  TensorFile file = parse_safetensors(
      bytes_from(header(R"({"__metadata__":{"\"\\\/\b\f\n\r\t":"\u0041\u00e9\u6743\ud83d\ude00"}})")), "f");
  EXPECT_EQ(file.metadata, (Metadata{{"\"\\/\b\f\n\r\t", "A\u00e9\u6743\U0001f600"}}));
}

TEST(safetensors, messages_stay_short_valid_and_on_one_line) {
  EXPECT_EQ(shown("a\nb\xff"
                  "c层"),
            "a?b?c层");
  EXPECT_EQ(shown(std::string(1000, 'n')), std::string(60, 'n') + "...");
  std::string wide;
  while (wide.size() < 90) wide += "层";
  EXPECT_TRUE(is_utf8(shown(wide)));
}

TEST(safetensors, deep_nesting_and_many_names_end_quickly) {
  EXPECT_NE(error_in_header(std::string(1'000'000, '[')), "no error");
  EXPECT_NE(error_in_header("{\"a\":" + std::string(1'000'000, '{')), "no error");
  std::string json = "{";
  for (int i = 0; i < 100'000; i++)
    json += (i ? ",\"" : "\"") + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  EXPECT_EQ(parse_safetensors(bytes_from(header(json + "}")), "f").tensors.size(), 100'000u);
}

// A damaged file is refused, or it is a valid file that says something else: then it is written and read to
// the same value.
TEST(safetensors, every_truncation_and_every_changed_byte_is_survived) {
  Scratch scratch;
  std::vector<NamedTensor> tensors = {{"权\"", JT_F32, {2, 1}, view_of("12345678")},
                                      {"b", JT_BOOL, {3}, view_of(std::string_view("\0\1\0", 3))},
                                      {"s", JT_I16, {}, view_of("ab")}};
  write_safetensors(scratch / "x", tensors, {{"k", "v"}});
  std::string good = content(scratch / "x");
  for (size_t size = 0; size < good.size(); size++)
    EXPECT_NE(error_in(good.substr(0, size)), "no error") << size;
  EXPECT_NE(error_in(good + "x"), "no error");
  int valid = 0, refused = 0;
  for (size_t at = 0; at < good.size(); at++)
    for (int value = 0; value < 256; value++) {
      std::string damaged = good;
      damaged[at] = char(value);
      try {
        TensorFile file = parse_safetensors(bytes_from(damaged), "f");
        valid++;
        if (value % 16) continue;
        write_safetensors(scratch / "y", file.tensors, file.metadata);
        TensorFile again = read_safetensors(scratch / "y");
        ASSERT_EQ(again.metadata, file.metadata);
        for (size_t i = 0; i < file.tensors.size(); i++) {
          ASSERT_EQ(again.tensors[i].name, file.tensors[i].name);
          ASSERT_TRUE(std::ranges::equal(again.tensors[i].bytes, file.tensors[i].bytes));
        }
      } catch (const Error& error) {
        ASSERT_EQ(error.code(), JT_E_IO);
        refused++;
      }
    }
  EXPECT_GT(refused, valid);
}

// ---- writing ----

TEST(safetensors, what_cannot_be_written_is_refused_before_the_file_is_touched) {
  Scratch scratch;
  auto writing = [&](std::vector<NamedTensor> tensors, Metadata metadata = {}) {
    return error_of([&] { write_safetensors(scratch / "x", tensors, metadata); });
  };
  NamedTensor good{"w", JT_U8, {2}, view_of("ab")};
  EXPECT_EQ(writing({{"w", JT_F32, {3}, view_of("12345678")}}),
            "safetensors: tensor 'w' of shape [3] and dtype f32 takes 12 bytes, given 8");
  EXPECT_EQ(writing({good, good}), "safetensors: two of the name 'w'");
  EXPECT_NE(writing({{"\xff", JT_U8, {2}, view_of("ab")}}), "no error");
  EXPECT_NE(writing({{"__metadata__", JT_U8, {2}, view_of("ab")}}), "no error");
  EXPECT_NE(writing({{"w", JT_DTYPE_FORCE32, {2}, view_of("ab")}}), "no error");
  EXPECT_NE(writing({{"w", JT_U8, {-2}, view_of("ab")}}), "no error");
  EXPECT_NE(writing({{std::string("a\0b", 3), JT_U8, {2}, view_of("ab")}}), "no error");
  EXPECT_NE(writing({{std::string(1025, 'n'), JT_U8, {2}, view_of("ab")}}), "no error");
  EXPECT_NE(writing({{"w", JT_U8, {1, 1, 1, 1, 1, 1, 1, 1, 2}, view_of("ab")}}), "no error");
  EXPECT_NE(writing({good}, {{"a", "1"}, {"a", "2"}}), "no error");
  EXPECT_NE(writing({good}, {{"a", "\xff"}}), "no error");
  EXPECT_EQ(scratch.count(), 0u);
}

TEST(safetensors, every_failing_call_leaves_the_old_checkpoint) {
  Scratch scratch;
  std::string path = scratch / "x";
  NamedTensor old_one{"w", JT_U8, {2}, view_of("ab")}, new_one{"w", JT_U8, {2}, view_of("yz")};
  write_safetensors(path, std::span(&old_one, 1));
  std::string old_bytes = content(path);
  for (int call = 0;; call++) {
    Fault::at(call, ENOSPC);
    std::string message = error_of([&] { write_safetensors(path, std::span(&new_one, 1), {}, kFaulty); });
    Fault::none();
    EXPECT_EQ(scratch.count(), 1u);
    if (message == "no error") break;
    EXPECT_EQ(message, "cannot write '" + path + "': No space left on device");
    EXPECT_EQ(content(path), old_bytes);
  }
  EXPECT_EQ(read_safetensors(path).tensors[0].bytes[0], 'y');
  EXPECT_EQ(error_of([&] { write_safetensors("/dev/full", std::span(&new_one, 1)); }),
            "cannot write '/dev/full': No space left on device");
}

}  // namespace jt::test
