import COnnx
import Tensors

extension ONNXReader {
    /// A tensor's numbers, after its extents and its data have been found to agree.
    mutating func tensor(_ message: Onnx__TensorProto, place: String) throws(ONNXError) -> ONNXTensor {
        guard message.data_location == 0, message.n_external_data == 0 else {
            throw ONNXError(
                .unsupported, place,
                "its numbers are in another file; save the model with the weights inside (external data off)")
        }
        let (extents, count) = try extents(of: message, place: place)
        let type = Int(message.data_type)
        guard let width = ONNXReader.widths[type] else {
            throw ONNXError(
                .unsupported, place,
                "element type \(type); supported are float 16, 32, 64, bfloat16, bool and integers of up to 64 bits")
        }
        if message.has_raw_data != 0 {
            // No overflow: the count has been bounded by 2^40.
            guard message.raw_data.len == count * width else {
                throw ONNXError(
                    .malformed, place,
                    "\(message.raw_data.len) bytes of data for extents \(extents) of \(width) bytes each")
            }
        }
        switch type {
        case 1, 10, 11, 16:
            do {
                let shape = try Shape(extents)
                if message.has_raw_data != 0, let format = ONNXReader.formats[type] {
                    let raw = UnsafeRawBufferPointer(start: message.raw_data.data, count: message.raw_data.len)
                    return ONNXTensor(
                        extents: extents, elements: .numbers(try Tensor(widening: raw, format, shape: shape)))
                }
                let numbers = try numbers(message, type: type, count: count, place: place)
                return ONNXTensor(extents: extents, elements: .numbers(try Tensor(numbers, shape: shape)))
            } catch let error as TensorError {
                throw ONNXError(.tooLarge, place, "\(error)")
            } catch let error as ONNXError {
                throw error
            } catch {
                throw ONNXError(.malformed, place, "\(error)")
            }
        default:
            try self.count(count, place)
            return ONNXTensor(
                extents: extents, elements: .integers(try integers(message, type: type, count: count, place: place)))
        }
    }

    private static let formats = [1: ElementType.float32, 10: .float16, 16: .bfloat16]
    /// Bytes per element of the types that are read.
    private static let widths = [1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 16: 2]

    private func extents(of message: Onnx__TensorProto, place: String) throws(ONNXError) -> ([Int], Int) {
        guard message.n_dims <= Shape.maximumRank else {
            throw ONNXError(.unsupported, place, "\(message.n_dims) axes; at most \(Shape.maximumRank) are supported")
        }
        var count = 1
        var extents: [Int] = []
        for extent in unsafeList(message.dims, message.n_dims) {
            let (product, overflow) = count.multipliedReportingOverflow(by: Int(extent))
            guard extent >= 0, !overflow, product <= 1 << 40 else {
                throw ONNXError(.malformed, place, "an extent of \(extent) is negative or too large")
            }
            count = product
            extents.append(Int(extent))
        }
        return (extents, count)
    }

    private func numbers(
        _ message: Onnx__TensorProto, type: Int, count: Int, place: String
    ) throws(ONNXError) -> [Float] {
        guard message.has_raw_data != 0 else {
            switch type {
            case 1:
                try same(message.n_float_data, count, place)
                return unsafeList(message.float_data, message.n_float_data)
            case 11:
                try same(message.n_double_data, count, place)
                return unsafeList(message.double_data, message.n_double_data).map { Float($0) }
            default:
                try same(message.n_int32_data, count, place)
                return unsafeList(message.int32_data, message.n_int32_data).map {
                    ONNXReader.number(bits: UInt16(truncatingIfNeeded: $0), type: type)
                }
            }
        }
        // Doubles: the other types of raw data widen to floats without looking at each.
        let raw = UnsafeRawBufferPointer(start: message.raw_data.data, count: message.raw_data.len)
        return (0..<count).map { Float(Double(bitPattern: load(raw, $0, UInt64.self))) }
    }

    private static func number(bits: UInt16, type: Int) -> Float {
        type == 16 ? Float(bitPattern: UInt32(bits) << 16) : Float(Float16(bitPattern: bits))
    }

    private func integers(
        _ message: Onnx__TensorProto, type: Int, count: Int, place: String
    ) throws(ONNXError) -> [Int] {
        guard message.has_raw_data != 0 else {
            if type == 7 {
                try same(message.n_int64_data, count, place)
                return unsafeList(message.int64_data, message.n_int64_data).map { Int($0) }
            }
            guard type != 12 else { throw ONNXError(.unsupported, place, "unsigned 32-bit integers outside raw data") }
            try same(message.n_int32_data, count, place)
            return unsafeList(message.int32_data, message.n_int32_data).map { Int($0) }
        }
        let raw = UnsafeRawBufferPointer(start: message.raw_data.data, count: message.raw_data.len)
        return (0..<count).map { index in
            switch type {
            case 3: Int(load(raw, index, Int8.self))
            case 4: Int(load(raw, index, UInt16.self))
            case 5: Int(load(raw, index, Int16.self))
            case 6: Int(load(raw, index, Int32.self))
            case 7: Int(load(raw, index, Int64.self))
            case 12: Int(load(raw, index, UInt32.self))
            default: Int(load(raw, index, UInt8.self))
            }
        }
    }

    private func load<Number: FixedWidthInteger>(
        _ raw: UnsafeRawBufferPointer, _ index: Int, _ type: Number.Type
    ) -> Number {
        Number(littleEndian: raw.loadUnaligned(fromByteOffset: index * MemoryLayout<Number>.size, as: type))
    }

    private func same(_ have: Int, _ want: Int, _ place: String) throws(ONNXError) {
        guard have == want else {
            throw ONNXError(.malformed, place, "\(have) numbers where its extents ask for \(want)")
        }
    }
}
