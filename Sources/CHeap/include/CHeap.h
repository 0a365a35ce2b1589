#pragma once

// Lets all threads of the process allocate from one heap, where the C library is glibc and the environment does not say
// how many there are to be. To be called before there are many threads.
void use_one_heap(void);
