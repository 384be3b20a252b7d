/* fields: the bytes that org.jt.Fields writes -> attributes by name. */
#ifndef JT_JAVA_FIELDS_H
#define JT_JAVA_FIELDS_H
#include "lists.h"

enum { JJ_MAX_FIELDS = 24 };
typedef struct jj_fields {
  char* bytes;
  jt_attr list[JJ_MAX_FIELDS];
  int64_t ints[JJ_MAX_FIELDS][JJ_MAX_INTS];
  size_t count;
} jj_fields;

static int64_t jj_word(const char** at) {
  int64_t word;
  memcpy(&word, *at, sizeof word);
  *at += sizeof word;
  return word;
}
/* A field is: its name, NUL, its kind as a byte, then a word (an integer, the bits of a double), a count and words,
 * or a count and bytes; words in the host's order. To be freed with jj_drop_fields. */
static int jj_read_fields(JNIEnv* env, const char* op, jbyteArray encoded, jj_fields* out) {
  size_t length, i;
  const char *at, *end;
  memset(out, 0, sizeof *out);
  if (!(out->bytes = jj_text(env, op, encoded, &length))) return 0;
  for (at = out->bytes, end = at + length; at < end && out->count < JJ_MAX_FIELDS; out->count++) {
    jt_attr* a = &out->list[out->count];
    a->name = at;
    at += strlen(at) + 1;
    a->kind = (jt_attr_kind)*at++;
    if (a->kind == JT_ATTR_I64) a->i64 = jj_word(&at);
    else if (a->kind == JT_ATTR_F64) {
      int64_t bits = jj_word(&at);
      memcpy(&a->f64, &bits, sizeof bits);
    } else if (a->kind == JT_ATTR_INTS) {
      a->ints_len = (size_t)jj_word(&at), a->ints = out->ints[out->count];
      for (i = 0; i < a->ints_len; i++) {
        int64_t word = jj_word(&at);
        if (i < JJ_MAX_INTS) out->ints[out->count][i] = word;
      }
      if (a->ints_len > JJ_MAX_INTS) a->ints_len = JJ_MAX_INTS;
    } else {
      a->str_len = (size_t)jj_word(&at), a->str = at;
      at += a->str_len;
    }
  }
  return 1;
}
static void jj_drop_fields(jj_fields* fields) { free(fields->bytes); }
#endif
