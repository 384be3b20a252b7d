package org.jt;

import java.nio.charset.StandardCharsets;
import java.util.List;

/** Strings as C takes and gives them: UTF-8. */
final class Text {
  private Text() {}

  static byte[] utf8(String text, String op, String name) {
    if (text == null) throw JtException.argument(op + ": " + name + " is null");
    return text.getBytes(StandardCharsets.UTF_8);
  }

  static String of(byte[] utf8) {
    return utf8 == null ? null : new String(utf8, StandardCharsets.UTF_8);
  }

  /** All texts, a NUL behind each. */
  static byte[] joined(List<String> texts, String op, String name) {
    StringBuilder all = new StringBuilder();
    for (String text : texts) {
      if (text == null) throw JtException.argument(op + ": one of " + name + " is null");
      if (text.indexOf('\0') >= 0) throw JtException.argument(op + ": one of " + name + " holds a NUL");
      all.append(text).append('\0');
    }
    return all.toString().getBytes(StandardCharsets.UTF_8);
  }
}
