/* jt.h: everything a program needs. Backends include jt_backend.h, which stands alone. */
#ifndef JT_H
#define JT_H

#include <jt/jt_base.h>
#include <jt/jt_error.h>
#include <jt/jt_runtime.h>
#include <jt/jt_tensor.h>
#include <jt/jt_ops.h>
#include <jt/jt_autograd.h>
#include <jt/jt_custom.h>
#include <jt/jt_control.h>
#include <jt/jt_nn.h>
#include <jt/jt_optim.h>
#include <jt/jt_data.h>
#include <jt/jt_io.h>
#include <jt/jt_graph.h>
#include <jt/jt_profile.h>

#endif
