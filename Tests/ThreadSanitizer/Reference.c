// Who holds the only reference to a collection may change it in place, also where another thread has read it before and
// given its own reference back. The runtime orders the two by the count of references, which the thread sanitizer does
// not see (it is told only of the last one), and a race between the reading and the change is reported.
#include "include/Annotations.h"

#include <stdbool.h>
#include <stdint.h>

void swift_release(void *object);
void swift_release_n(void *object, uint32_t count);
void swift_bridgeObjectRelease(void *object);
void swift_bridgeObjectRelease_n(void *object, int count);
bool swift_isUniquelyReferenced_native(void *object);
bool swift_isUniquelyReferenced_nonNull_native(void *object);

// Negative: no object, but a small string or the like.
static void give_back(void *object) {
    if ((intptr_t)object > 0) release(object);
}

// Without the bits that say what kind of object it is.
static void give_back_bridged(void *object) { give_back((void *)((uintptr_t)object & 0x80fffffffffffff9)); }

void swift_release(void *object) {
    RUNTIME(swift_release, "swift_release")
    give_back(object);
    runtime(object);
}

void swift_release_n(void *object, uint32_t count) {
    RUNTIME(swift_release_n, "swift_release_n")
    give_back(object);
    runtime(object, count);
}

void swift_bridgeObjectRelease(void *object) {
    RUNTIME(swift_bridgeObjectRelease, "swift_bridgeObjectRelease")
    give_back_bridged(object);
    runtime(object);
}

void swift_bridgeObjectRelease_n(void *object, int count) {
    RUNTIME(swift_bridgeObjectRelease_n, "swift_bridgeObjectRelease_n")
    give_back_bridged(object);
    runtime(object, count);
}

bool swift_isUniquelyReferenced_native(void *object) {
    RUNTIME(swift_isUniquelyReferenced_native, "swift_isUniquelyReferenced_native")
    bool is_unique = runtime(object);
    if (is_unique) acquire(object);
    return is_unique;
}

bool swift_isUniquelyReferenced_nonNull_native(void *object) {
    RUNTIME(swift_isUniquelyReferenced_nonNull_native, "swift_isUniquelyReferenced_nonNull_native")
    bool is_unique = runtime(object);
    if (is_unique) acquire(object);
    return is_unique;
}
