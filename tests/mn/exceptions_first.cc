/* exceptions.cc with the C++ library before libmn in the order in which the loader looks: words are copied at switches. */
#define STDCXX_FIRST 1
#include "exceptions.cc"
