internal import CKernels

extension Tensor {
    /// Adds a tensor of the same shape, in place where nobody else holds the memory.
    ///
    /// Of a decoder's gradients, each large enough to decide how much memory a job takes, there are then two and not three
    /// at a time.
    ///
    /// - Throws: ``TensorError`` where memory runs out.
    public mutating func add(_ other: Tensor) throws(TensorError) {
        // A sum in place cannot be repeated.
        let repeats = (CPU.profile?.repetitions ?? 0) > 0
        guard precision == .float32, shape == other.shape, !repeats, isMemoryUnshared() else {
            self = try device.binary(.add, self, other, result: shape)
            return
        }
        let (sum, count) = (UnsafeMutablePointer(mutating: pointer), shape.count)
        try CPU.shared.profiled("arithmetic", of: [other, other]) { () throws(TensorError) in
            let other = try other.converted(to: .float32)
            CPU.shared.split(count, grain: CPU.elementGrain) { part in
                rectifid_accumulate(other.pointer + part.lowerBound, 1, sum + part.lowerBound, part.count)
            }
        }
    }
}
