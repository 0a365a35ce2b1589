import CBoundedProtobuf
import CProtobufC

/// A value with a form in the generated C.
///
/// C pointers live inside ``unpack(_:limits:)`` and ``pack(_:)`` only; what leaves is Swift values and bytes.
protocol Packable: Sendable, Equatable {
    associatedtype CForm
    /// Name in the `.proto` file, without the package.
    static var messageName: String { get }
    /// An empty message, as the generated initializer makes it.
    static var emptyCForm: CForm { get }
    /// Converts texts, enums and counts. Ranges are left to `validate`.
    init(_ c: CForm, at field: FieldPath) throws(MessageError)
    func cForm(in arena: CArena) -> CForm
}

extension Packable {
    /// Makes ``emptyCForm`` from a generated initializer.
    static func empty(
        _ initialize: (UnsafeMutablePointer<CForm>?) -> Void
    ) -> CForm {
        withUnsafeTemporaryAllocation(of: CForm.self, capacity: 1) { buffer in
            initialize(buffer.baseAddress)
            return buffer[0]
        }
    }
}

/// Encodes a message.
func pack<M: Packable>(_ message: M) -> [UInt8] {
    let arena = CArena()
    let root = arena.place(message)
    // Every generated structure begins with its ProtobufCMessage.
    let base = UnsafeRawPointer(root).assumingMemoryBound(to: ProtobufCMessage.self)
    let size = protobuf_c_message_get_packed_size(base)
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        count = protobuf_c_message_pack(base, buffer.baseAddress)
    }
    withExtendedLifetime(arena) {}
    return bytes
}

/// Decodes a message, without range checks.
///
/// - Throws: `MessageError` when the bytes are too many, take too much memory, are not a message of this type, or hold
///   text that is not UTF-8 or an unknown enum value.
func unpack<M: Packable>(_ bytes: [UInt8], limits: MessageLimits) throws(MessageError) -> M {
    let whole = FieldPath(M.messageName)
    guard bytes.count <= limits.maximumBytes else {
        throw MessageError(
            kind: .tooLarge, field: whole.path, problem: "has \(bytes.count) bytes",
            allowed: "at most \(limits.maximumBytes); put large pictures into the shared store and send their keys")
    }
    guard let allocator = bounded_allocator_create(limits.memory(forMessageOf: bytes.count)) else {
        throw MessageError(
            kind: .tooMuchMemory, field: whole.path, problem: "found no memory", allowed: "a smaller message")
    }
    // Frees the C message as well: every block of it belongs to the allocator.
    defer { bounded_allocator_destroy(allocator) }

    let empty = M.emptyCForm
    let message = bytes.withUnsafeBufferPointer { buffer in
        withUnsafeBytes(of: empty) { raw in
            protobuf_c_message_unpack(
                raw.load(as: ProtobufCMessage.self).descriptor, bounded_allocator_protobuf(allocator), buffer.count,
                buffer.baseAddress)
        }
    }
    guard let message else {
        if bounded_allocator_refused(allocator) {
            throw MessageError(
                kind: .tooMuchMemory, field: whole.path,
                problem: "would take more than \(limits.memory(forMessageOf: bytes.count)) bytes of memory",
                allowed: "fields of the contract, each in a sensible number")
        }
        throw MessageError(
            kind: .malformed, field: whole.path, problem: "is not a protobuf message of this type",
            allowed: "an encoded rectifid.v1.\(M.messageName)")
    }
    return try UnsafeRawPointer(message).assumingMemoryBound(to: M.CForm.self).withPointee { (c) throws(MessageError) in
        try M(c, at: FieldPath(""))
    }
}

extension UnsafePointer {
    fileprivate func withPointee<R, E: Error>(_ body: (Pointee) throws(E) -> R) throws(E) -> R {
        try body(pointee)
    }
}
