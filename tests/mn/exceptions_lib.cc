/* The library of exceptions_later.c. */
#include <exception>
#include <stdexcept>
#include <string>

extern "C" __attribute__((visibility("default"))) int throws(unsigned n, int (*yield)());

int throws(unsigned n, int (*yield)()) {
    struct Unwound {
        int (*yield)();
        int *wrong;
        ~Unwound() {
            yield();
            *wrong += std::uncaught_exceptions() != 1;
        }
    };
    int wrong = 0;
    std::string name = "exception " + std::to_string(n);
    try {
        Unwound u{yield, &wrong};
        throw std::runtime_error(name);
    } catch (std::exception &e) {
        yield();
        wrong += e.what() != name;
        try {
            throw;
        } catch (std::exception &again) {
            yield();
            wrong += again.what() != name || std::uncaught_exceptions() != 0;
        }
        yield();
    }
    return wrong + (std::current_exception() != nullptr);
}
