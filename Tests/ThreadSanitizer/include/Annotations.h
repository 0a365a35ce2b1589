#pragma once

#include <dlfcn.h>
#include <stdlib.h>

// What the thread sanitizer cannot see of Swift's runtime, told to it: a program linked with this target has functions of
// the same names as the runtime's, which its calls reach first, and which call the runtime's. Only in builds for a
// sanitizer (Package.swift); without the thread sanitizer they do nothing else.

__attribute__((weak)) void __tsan_acquire(void *address);
__attribute__((weak)) void __tsan_release(void *address);

// Swift's calling convention, and its register for `self`.
#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))

// What comes after this, and reads `address`...
static inline void acquire(void *address) {
    if (__tsan_acquire) __tsan_acquire(address);
}

// ...comes after what was before this.
static inline void release(void *address) {
    if (__tsan_release) __tsan_release(address);
}

// The runtime's function: its libraries follow the program in the order of the search.
static inline void *runtime_function(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    if (!function) abort();
    return function;
}
