#pragma once

#include <dlfcn.h>
#include <stdatomic.h>
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

// Declares `runtime`, the runtime's own function of a name: its libraries follow the program in the order of the search.
// Looked up when first called, which is while the libraries are initialised, before this program is.
#define RUNTIME(function, name)                                                                    \
    static _Atomic(__typeof__(&function)) found;                                                   \
    __typeof__(&function) runtime = atomic_load_explicit(&found, memory_order_relaxed);            \
    if (!runtime) {                                                                                \
        runtime = (__typeof__(&function))dlsym(RTLD_NEXT, name);                                   \
        if (!runtime) abort();                                                                     \
        atomic_store_explicit(&found, runtime, memory_order_relaxed);                              \
    }
