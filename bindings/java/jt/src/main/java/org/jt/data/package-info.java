/** Data sets. */
package org.jt.data;
