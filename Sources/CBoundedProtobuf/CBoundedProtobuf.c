#include "CBoundedProtobuf.h"

#include <stdalign.h>
#include <stdlib.h>

// Stands before every block. The blocks form a ring, so that one can leave in constant time and destroy finds them all.
typedef struct block {
    alignas(max_align_t) struct block *previous;
    struct block *next;
    size_t size;
} block;

struct bounded_allocator {
    ProtobufCAllocator protobuf;
    size_t limit;
    size_t used;
    size_t peak;
    bool refused;
    block ring;
};

static void *allocate(void *context, size_t size) {
    bounded_allocator *allocator = context;
    const size_t room = allocator->limit - allocator->used;
    // Subtractions, not sums: size comes from the message and may be near SIZE_MAX.
    if (room < sizeof(block) || size > room - sizeof(block)) {
        allocator->refused = true;
        return NULL;
    }
    block *new = malloc(sizeof(block) + size);
    if (new == NULL) {
        allocator->refused = true;
        return NULL;
    }
    new->size = sizeof(block) + size;
    new->previous = &allocator->ring;
    new->next = allocator->ring.next;
    new->next->previous = new;
    allocator->ring.next = new;
    allocator->used += new->size;
    if (allocator->used > allocator->peak) allocator->peak = allocator->used;
    return new + 1;
}

static void release(void *context, void *pointer) {
    if (pointer == NULL) return;
    bounded_allocator *allocator = context;
    block *old = (block *)pointer - 1;
    old->previous->next = old->next;
    old->next->previous = old->previous;
    allocator->used -= old->size;
    free(old);
}

bounded_allocator *bounded_allocator_create(size_t limit) {
    bounded_allocator *allocator = calloc(1, sizeof(bounded_allocator));
    if (allocator == NULL) return NULL;
    allocator->protobuf = (ProtobufCAllocator){.alloc = allocate, .free = release, .allocator_data = allocator};
    allocator->limit = limit;
    allocator->ring.previous = allocator->ring.next = &allocator->ring;
    return allocator;
}

void bounded_allocator_destroy(bounded_allocator *allocator) {
    if (allocator == NULL) return;
    for (block *next, *old = allocator->ring.next; old != &allocator->ring; old = next) {
        next = old->next;
        free(old);
    }
    free(allocator);
}

ProtobufCAllocator *bounded_allocator_protobuf(bounded_allocator *allocator) { return &allocator->protobuf; }
size_t bounded_allocator_used(const bounded_allocator *allocator) { return allocator->used; }
size_t bounded_allocator_peak(const bounded_allocator *allocator) { return allocator->peak; }
bool bounded_allocator_refused(const bounded_allocator *allocator) { return allocator->refused; }
