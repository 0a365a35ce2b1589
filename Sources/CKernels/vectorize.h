#pragma once

// One clone per instruction level, picked by the dynamic linker. A source attribute and not a compiler flag, because a
// flag would tie the binary to the machine that built it.
#if defined(__x86_64__) && defined(__linux__)
#define RECTIFID_VECTORIZE __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define RECTIFID_VECTORIZE
#endif

// Floating-point addition is not associative, so a compiler may not split a sum over lanes unless it is told to.
#define RECTIFID_REASSOCIATE _Pragma("clang fp reassociate(on) contract(fast)")
