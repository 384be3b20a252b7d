package org.jt;

/** What is closed on its context's thread. */
interface Closes {
  void closeOwn();
}
