/// Keeps objects by key: the place that clients and workers share for pictures too large for a message.
///
/// Every call is safe to repeat, may come from any task, and ends by itself: stores limit the time that they wait.
public protocol ObjectStore: Sendable {
    /// Which store it is, for logs; without credentials.
    var name: String { get }

    /// Stores an object, in place of what the key had. Readers see the old object or the whole new one, never a part.
    ///
    /// - Parameter contentType: A media type such as `image/jpeg`, for those who look into the store by other means.
    func put(_ bytes: [UInt8], at key: ObjectKey, contentType: String) async throws(ObjectStoreError)

    /// Reads an object.
    ///
    /// - Parameter limit: Most bytes to read; a larger object is refused before it is taken into memory.
    /// - Throws: `.notFound` and `.tooLarge` among others.
    func get(_ key: ObjectKey, limit: Int) async throws(ObjectStoreError) -> [UInt8]

    /// The size of an object in bytes; nil where there is none.
    func size(of key: ObjectKey) async throws(ObjectStoreError) -> Int?

    /// Removes an object; no error where there is none.
    func delete(_ key: ObjectKey) async throws(ObjectStoreError)
}

extension ObjectStore {
    /// Checks that the store answers and lets itself be read, without writing to it.
    public func check() async throws(ObjectStoreError) {
        do throws(ObjectStoreError) {
            _ = try await get(try ObjectKey("rectifid-check"), limit: 0)
        } catch .notFound, .tooLarge {}
    }
}
