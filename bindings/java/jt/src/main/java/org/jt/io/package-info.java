/** Files. */
package org.jt.io;
