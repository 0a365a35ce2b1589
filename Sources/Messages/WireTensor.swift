import CMessages
import CProtobufC

/// A tensor of float32 as it travels: row-major.
public struct WireTensor: Sendable, Equatable {
    /// Sizes of the axes, outermost first.
    public let shape: [Int]
    public let values: [Float]

    /// - Throws: `MessageError` unless there are 1 to 8 axes, each of at least 1, and as many values as they span.
    public init(shape: [Int], values: [Float]) throws(MessageError) {
        try Self.check(shape: shape, elements: values.count, at: FieldPath(Self.messageName))
        self.shape = shape
        self.values = values
    }

    private static func check(shape: [Int], elements: Int, at field: FieldPath) throws(MessageError) {
        let sizes = field.child("shape")
        try sizes.check(count: shape.count, in: 1...8, of: "axes")
        var product = 1
        for (axis, size) in shape.enumerated() {
            try sizes[axis].check(size, in: 1...Int(Int32.max))
            // The product is compared before it can overflow: sizes come from the message.
            let (next, overflow) = product.multipliedReportingOverflow(by: size)
            try field.child("data").require(
                !overflow && next <= elements, "has \(elements) elements", allowed: "one per element of shape \(shape)")
            product = next
        }
        try field.child("data").require(
            product == elements, "has \(elements) elements", allowed: "one per element of shape \(shape)")
    }
}

extension WireTensor: Packable {
    static let messageName = "Tensor"
    static var emptyCForm: Rectifid__V1__Tensor { empty(rectifid__v1__tensor__init) }

    init(_ c: Rectifid__V1__Tensor, at field: FieldPath) throws(MessageError) {
        let data = field.child("data")
        try data.require(c.data.len % 4 == 0, "has \(c.data.len) bytes", allowed: "4 per element")
        try field.child("shape").check(count: c.n_shape, in: 1...8, of: "axes")
        shape = UnsafeBufferPointer(start: c.shape, count: c.n_shape).map { Int($0) }
        let bytes = UnsafeRawBufferPointer(start: c.data.data, count: c.data.len)
        try Self.check(shape: shape, elements: bytes.count / 4, at: field)
        values = [Float](unsafeUninitializedCapacity: bytes.count / 4) { buffer, count in
            for index in buffer.indices {
                let bits = bytes.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)
                buffer.initializeElement(at: index, to: Float(bitPattern: UInt32(littleEndian: bits)))
            }
            count = buffer.count
        }
    }

    func cForm(in arena: CArena) -> Rectifid__V1__Tensor {
        var c = Self.emptyCForm
        c.n_shape = shape.count
        c.shape = arena.array(shape.map { UInt32(wire: $0) })
        let words = arena.array(values.map { $0.bitPattern.littleEndian })
        c.data = ProtobufCBinaryData(
            len: 4 * values.count, data: UnsafeMutableRawPointer(words).assumingMemoryBound(to: UInt8.self))
        return c
    }
}
