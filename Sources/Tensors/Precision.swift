internal import CKernels

/// The format that numbers are computed and kept in.
///
/// In bfloat16 the operands of a product are rounded to 8 significant bits and summed in float32; a processor with
/// instructions for it does two to four times as many of them a second as in float32. The exponent is that of float32,
/// so that no gradient underflows where float16's would.
public enum Precision: String, Sendable, Hashable, CaseIterable {
    case float32, bfloat16

    /// Bytes of one number.
    public var byteCount: Int { self == .float32 ? 4 : 2 }

    var format: rectifid_format { self == .float32 ? RECTIFID_FLOAT32 : RECTIFID_BFLOAT16 }
}

extension Tensor {
    /// The same numbers in another format: to nearest, ties to even, where it is the narrower one; itself where they are
    /// in it already.
    public func converted(to precision: Precision) throws(TensorError) -> Tensor {
        if precision == self.precision { return self }
        return try Tensor.building(shape, precision, "convert") { out in
            CPU.shared.split(shape.count, grain: CPU.elementGrain) { part in
                let (from, to) = (
                    bytes + part.lowerBound * self.precision.byteCount, out + part.lowerBound * precision.byteCount
                )
                if precision == .bfloat16 {
                    rectifid_narrow_bfloat16(
                        from.assumingMemoryBound(to: Float.self), to.assumingMemoryBound(to: UInt16.self), part.count)
                } else {
                    rectifid_widen_bfloat16(
                        from.assumingMemoryBound(to: UInt16.self), to.assumingMemoryBound(to: Float.self), part.count)
                }
            }
        }
    }

    /// As float32, for operations that compute in nothing else.
    func widened() throws(TensorError) -> Tensor { try converted(to: .float32) }

    func copyElements(to out: UnsafeMutablePointer<Float>) {
        if precision == .float32 {
            out.update(from: pointer, count: shape.count)
        } else {
            rectifid_widen_bfloat16(bytes.assumingMemoryBound(to: UInt16.self), out, shape.count)
        }
    }
}
