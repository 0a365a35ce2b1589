import CProtobufC

/// Memory for the C form of one message while it is being encoded; everything goes at once, with the arena.
///
/// protobuf-c encodes a tree of structures that point at each other. The arena owns all of them, so that no pointer has
/// an owner of its own to forget it.
final class CArena {
    private var blocks: [UnsafeMutableRawPointer] = []

    deinit {
        for block in blocks { block.deallocate() }
    }

    private func allocate<T>(_ type: T.Type, count: Int) -> UnsafeMutablePointer<T> {
        let block = UnsafeMutableRawPointer.allocate(
            byteCount: max(1, count) * MemoryLayout<T>.stride, alignment: MemoryLayout<T>.alignment)
        blocks.append(block)
        return block.bindMemory(to: type, capacity: max(1, count))
    }

    func place<C>(_ message: C) -> UnsafeMutablePointer<C> {
        let pointer = allocate(C.self, count: 1)
        pointer.initialize(to: message)
        return pointer
    }

    func array<T>(_ values: [T]) -> UnsafeMutablePointer<T> {
        let pointer = allocate(T.self, count: values.count)
        values.withUnsafeBufferPointer { buffer in
            if let base = buffer.baseAddress { pointer.initialize(from: base, count: buffer.count) }
        }
        return pointer
    }

    func bytes(_ values: [UInt8]) -> ProtobufCBinaryData {
        ProtobufCBinaryData(len: values.count, data: array(values))
    }

    /// The bytes of a string.
    ///
    /// NUL characters, which the contract forbids, become U+FFFD: a text that quotes hostile input must not make the
    /// reply unreadable.
    func text(_ value: String) -> ProtobufCBinaryData {
        guard value.utf8.contains(0) else { return bytes(Array(value.utf8)) }
        return bytes(value.utf8.flatMap { $0 == 0 ? Array("\u{FFFD}".utf8) : [$0] })
    }

    /// An empty message, as the generated initializer makes it.
    func message<C>(_ initialize: (UnsafeMutablePointer<C>?) -> Void) -> UnsafeMutablePointer<C> {
        let pointer = allocate(C.self, count: 1)
        initialize(pointer)
        return pointer
    }

    func place<M: Packable>(_ message: M) -> UnsafeMutablePointer<M.CForm> {
        place(message.cForm(in: self))
    }

    func array<M: Packable>(_ messages: [M]) -> UnsafeMutablePointer<UnsafeMutablePointer<M.CForm>?> {
        array(messages.map { place($0) })
    }
}

extension UInt32 {
    /// A count or size of a value that may not have been validated.
    ///
    /// What does not fit becomes the largest number, which the reader refuses; zero would mean that the field is not set.
    init(wire value: Int?) {
        self = UInt32(exactly: value ?? 0) ?? .max
    }
}
