/** Layers. */
package org.jt.nn;
