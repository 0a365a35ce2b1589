internal import Messages

/// Recognises events of a job that have come before.
///
/// The rule, which every client of the contract may follow: an event with the number *and* the bytes of an earlier one
/// is a copy and is dropped; anything else is passed on, and where a number comes again with other contents, the later
/// event stands.
///
/// Two things repeat events. A publish whose confirm was lost with the connection is made again: a copy. And a worker
/// that dies without notice leaves its job to another, which counts from the same number again: its ``PersonalizeEvent``
/// of having accepted the job has another worker in it and gets through, while progress that is the same to the bit, as
/// the same seed makes it on the same kind of processor, is no news and does not.
struct RepeatedEvents {
    /// A job has some 1,000 events at most; beyond several times that, forgetting costs a repeat and nothing else.
    private static let capacity = 8192
    private var hashes: [UInt64: Int] = [:]

    /// Notes an event; false where it is a copy.
    mutating func isNew(sequence: UInt64, body: [UInt8]) -> Bool {
        let hash = body.hashValue
        if hashes.count >= Self.capacity { hashes.removeAll() }
        return hashes.updateValue(hash, forKey: sequence) != hash
    }
}
