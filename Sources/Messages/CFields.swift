import CProtobufC

// Reading the generated C. Texts are generated as bytes (scripts/generate-messages), so that their length is known.

extension ProtobufCBinaryData {
    var array: [UInt8] {
        Array(UnsafeBufferPointer(start: data, count: len))
    }

    /// - Throws: `MessageError` unless the bytes are UTF-8 without NUL; protobuf-c checks neither.
    func text(at field: FieldPath) throws(MessageError) -> String {
        let buffer = UnsafeBufferPointer(start: data, count: len)
        guard !buffer.contains(0) else {
            throw field.invalid("contains a NUL character", allowed: "UTF-8 without NUL characters")
        }
        guard let text = String(validating: buffer, as: UTF8.self) else {
            throw field.invalid("is not UTF-8", allowed: "UTF-8 without NUL characters")
        }
        return text
    }

    /// As ``text(at:)``, nothing for an empty one.
    func textIfAny(at field: FieldPath) throws(MessageError) -> String? {
        len == 0 ? nil : try text(at: field)
    }
}

extension FieldPath {
    /// A repeated message field as Swift values.
    func messages<M: Packable>(
        _ first: UnsafeMutablePointer<UnsafeMutablePointer<M.CForm>?>?, _ count: Int
    ) throws(MessageError) -> [M] {
        var messages: [M] = []
        messages.reserveCapacity(count)
        for (index, pointer) in UnsafeBufferPointer(start: first, count: count).enumerated() {
            guard let pointer else { continue }
            messages.append(try M(pointer.pointee, at: self[index]))
        }
        return messages
    }

    /// A message field, nothing where it is not set.
    func message<M: Packable>(_ pointer: UnsafeMutablePointer<M.CForm>?) throws(MessageError) -> M? {
        guard let pointer else { return nil }
        return try M(pointer.pointee, at: self)
    }

    /// An enum field, nothing for zero.
    ///
    /// Numbers are stated as Swift sees them: protobuf-c passes on those that the contract does not know.
    func choice<E: RawRepresentable & CaseIterable>(
        _ number: UInt32
    ) throws(MessageError) -> E? where E.RawValue == UInt32 {
        guard number != 0 else { return nil }
        guard let value = E(rawValue: number) else {
            let allowed = E.allCases.map { "\($0.rawValue) (\($0))" }.joined(separator: ", ")
            throw invalid("is \(Int32(bitPattern: number))", allowed: allowed)
        }
        return value
    }
}

/// A repeated field of floats.
func floats(_ first: UnsafeMutablePointer<Float>?, _ count: Int) -> [Float] {
    Array(UnsafeBufferPointer(start: first, count: count))
}

extension Int {
    /// A number where zero means that the field is not set.
    static func ifSet(_ value: UInt32) -> Int? {
        value == 0 ? nil : Int(value)
    }
}

extension Float {
    /// A number where zero means that the field is not set.
    static func ifSet(_ value: Float) -> Float? {
        value == 0 ? nil : value
    }
}
