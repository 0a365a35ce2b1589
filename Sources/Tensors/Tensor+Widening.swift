internal import CKernels

/// Number formats of weight files.
public enum ElementType: Sendable, Hashable {
    case float32, float16, bfloat16

    /// Bytes of one number.
    public var byteCount: Int { self == .float32 ? 4 : 2 }
}

extension Tensor {
    /// Numbers of a weight file as float32; exact for all three formats.
    ///
    /// The bytes need not be aligned.
    ///
    /// - Parameters:
    ///   - bytes: Little-endian numbers, row major.
    ///   - type: Their format.
    ///   - shape: Their extents.
    /// - Throws: ``TensorError`` where the byte count is not that of the shape.
    public init(widening bytes: UnsafeRawBufferPointer, _ type: ElementType, shape: Shape) throws(TensorError) {
        guard bytes.count == shape.count * type.byteCount else {
            throw TensorError("tensor", "\(bytes.count) bytes for shape \(shape) of \(type)")
        }
        self = try Tensor.building(shape, "tensor") { out in
            guard let base = bytes.baseAddress else { return }
            // Gigabytes of weights go through here: every core takes a part.
            CPU.shared.split(shape.count, grain: 1 << 18) { part in
                let source = base + part.lowerBound * type.byteCount
                if type == .float32 {
                    UnsafeMutableRawPointer(out + part.lowerBound).copyMemory(from: source, byteCount: part.count * 4)
                } else {
                    widen(source, type, part.count, out + part.lowerBound)
                }
            }
        }
    }
}

/// Widens 16-bit numbers; in pieces through an aligned buffer where the file does not align them.
private func widen(_ source: UnsafeRawPointer, _ type: ElementType, _ count: Int, _ out: UnsafeMutablePointer<Float>) {
    let kernel = type == .float16 ? rectifid_widen_float16 : rectifid_widen_bfloat16
    if Int(bitPattern: source) % 2 == 0 {
        return kernel(source.assumingMemoryBound(to: UInt16.self), out, count)
    }
    withUnsafeTemporaryAllocation(of: UInt16.self, capacity: 1024) { piece in
        guard let aligned = piece.baseAddress else { return }
        for start in stride(from: 0, to: count, by: 1024) {
            let length = min(1024, count - start)
            UnsafeMutableRawPointer(aligned).copyMemory(from: source + 2 * start, byteCount: 2 * length)
            kernel(aligned, out + start, length)
        }
    }
}
