/** Deep learning with the jt compiler: lazy tensors, gradients, layers, optimisers. */
package org.jt;
