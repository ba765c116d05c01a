/* mn/scope.h: scopes: threads that end before their parent goes on. */
#ifndef MN_SCOPE_H
#define MN_SCOPE_H

#include <mn/thread.h>

#endif
