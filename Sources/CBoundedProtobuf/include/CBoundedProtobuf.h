#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

// An allocator for protobuf-c with a hard limit.
//
// protobuf-c keeps fields it does not know, one heap block and one record each: 15 MB of two-byte unknown fields grow to
// about 670 MB. The size of a message therefore bounds nothing. With this allocator the growth ends at `limit` bytes:
// the request past it gets NULL, protobuf-c unwinds, and unpacking returns NULL.
//
// protobuf-c frees through the allocator it allocated with, so a message must be freed with the same allocator, or not at
// all: destroying the allocator frees every block still alive. One allocator serves one thread and one message.
typedef struct bounded_allocator bounded_allocator;

// Returns NULL when there is no memory for the allocator itself.
bounded_allocator *bounded_allocator_create(size_t limit);

// Frees everything that was allocated and not freed, and the allocator. NULL is allowed.
void bounded_allocator_destroy(bounded_allocator *allocator);

// What to pass to protobuf-c. Valid until the allocator is destroyed.
ProtobufCAllocator *bounded_allocator_protobuf(bounded_allocator *allocator);

// Bytes in use now and at the highest, bookkeeping (32 bytes a block) included.
size_t bounded_allocator_used(const bounded_allocator *allocator);
size_t bounded_allocator_peak(const bounded_allocator *allocator);

// Whether a request has been refused: tells a message that is too greedy from one that is malformed.
bool bounded_allocator_refused(const bounded_allocator *allocator);
