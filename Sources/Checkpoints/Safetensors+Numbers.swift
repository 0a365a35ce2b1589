import Tensors

/// What stands at a tensor's place in a file.
extension Safetensors.Place {
    /// The stored bytes; valid while `file` lives.
    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            rebasing: file.bytes[start + entry.bytes.lowerBound..<start + entry.bytes.upperBound])
    }

    /// The tensor as whole numbers.
    func integers(_ name: String) throws(CheckpointError) -> [Int] {
        switch entry.number {
        case .int64: return read(Int64.self) { Int(Int64(littleEndian: $0)) }
        case .int32: return read(Int32.self) { Int(Int32(littleEndian: $0)) }
        case .int16: return read(Int16.self) { Int(Int16(littleEndian: $0)) }
        case .int8: return read(Int8.self) { Int($0) }
        case .uint32: return read(UInt32.self) { Int(UInt32(littleEndian: $0)) }
        case .uint16: return read(UInt16.self) { Int(UInt16(littleEndian: $0)) }
        case .uint8, .bool: return read(UInt8.self) { Int($0) }
        default:
            throw CheckpointError(
                .mismatched, file: file.path,
                "tensor \(name.debugDescription) has dtype \(entry.number.rawValue); whole numbers are needed")
        }
    }

    /// The format promises no alignment of its data, hence the unaligned loads.
    private func read<Stored: BitwiseCopyable, Number>(_: Stored.Type, _ number: (Stored) -> Number) -> [Number] {
        let bytes = bytes
        return [Number](unsafeUninitializedCapacity: entry.shape.count) { out, count in
            for index in 0..<entry.shape.count {
                let stored = bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<Stored>.size, as: Stored.self)
                out.initializeElement(at: index, to: number(stored))
            }
            count = entry.shape.count
        }
    }
}
