import CHeap

/// How a worker's process asks the system for memory.
public enum ProcessMemory {
    /// Lets all threads allocate from one heap; to be called before there are many of them.
    ///
    /// glibc gives threads up to eight heaps per core. A worker computes each job on a new thread, and keeps answers: as
    /// its threads move from heap to heap, what is kept moves with them, and each heap that they have left keeps its size.
    /// A worker grew by a quarter when its interactive lane ran dry. The engine allocates little beside its large tensors,
    /// so that nobody waits for the one heap.
    ///
    /// Does nothing where the environment says how many heaps there are to be (`MALLOC_ARENA_MAX`, `GLIBC_TUNABLES`), or
    /// where the C library is another.
    public static func useOneHeap() { use_one_heap() }
}
