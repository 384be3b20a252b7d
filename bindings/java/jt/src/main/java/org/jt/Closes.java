package org.jt;

/** What is closed on its context's thread. */
abstract class Closes {
  Closes() {}

  abstract void closeOwn();
}
