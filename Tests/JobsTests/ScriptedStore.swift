import ObjectStores
import Synchronization

/// A store in memory that calls a test before it does anything, and fails or waits where the test says so.
final class ScriptedStore: ObjectStore {
    enum Call: Sendable, Equatable {
        case put(String), get(String), size(String), delete(String)
    }

    let name = "scripted"
    private let objects = Mutex<[String: [UInt8]]>([:])
    private let log = Mutex<[Call]>([])
    private let onCall: @Sendable (Call) async throws(ObjectStoreError) -> Void

    init(
        onCall: @escaping @Sendable (Call) async throws(ObjectStoreError) -> Void = {
            (_) async throws(ObjectStoreError) in
        }
    ) {
        self.onCall = onCall
    }

    /// What the store has, by key; to be filled and looked at behind the worker's back.
    var contents: [String: [UInt8]] {
        get { objects.withLock { $0 } }
        set { objects.withLock { $0 = newValue } }
    }

    var calls: [Call] { log.withLock { $0 } }

    private func note(_ call: Call) async throws(ObjectStoreError) {
        log.withLock { $0.append(call) }
        try await onCall(call)
    }

    func put(_ bytes: [UInt8], at key: ObjectKey, contentType: String) async throws(ObjectStoreError) {
        try await note(.put(key.text))
        objects.withLock { $0[key.text] = bytes }
    }

    func get(_ key: ObjectKey, limit: Int) async throws(ObjectStoreError) -> [UInt8] {
        try await note(.get(key.text))
        guard let bytes = objects.withLock({ $0[key.text] }) else { throw .notFound(key) }
        guard bytes.count <= limit else { throw .tooLarge(key, bytes: bytes.count, limit: limit) }
        return bytes
    }

    func size(of key: ObjectKey) async throws(ObjectStoreError) -> Int? {
        try await note(.size(key.text))
        return objects.withLock { $0[key.text]?.count }
    }

    func delete(_ key: ObjectKey) async throws(ObjectStoreError) {
        try await note(.delete(key.text))
        objects.withLock { _ = $0.removeValue(forKey: key.text) }
    }
}

/// Fails the first so many times.
final class Failures: Sendable {
    private let left: Mutex<Int>

    init(_ count: Int) { left = Mutex(count) }

    func next() -> Bool {
        left.withLock { left in
            defer { left -= 1 }
            return left > 0
        }
    }
}
