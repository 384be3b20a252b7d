/** Optimisers. */
package org.jt.optim;
