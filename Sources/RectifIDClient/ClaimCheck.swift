public import Messages
public import ObjectStores

/// Pictures too large for a message go through a store that clients and workers share; messages have their keys.
///
/// The name is that of the pattern: a claim check is what one gets for a coat (G. Hohpe, B. Woolf, Enterprise Integration
/// Patterns). Nothing here removes pictures: give the store a rule that expires objects some days after the last job can
/// have ended.
public struct ClaimCheck: Sendable {
    public var store: any ObjectStore
    /// Most bytes of pictures in one message; what is more goes through the store.
    public var threshold: Int
    /// Most bytes of one picture that are read from the store.
    public var maximumPictureBytes = 64 << 20

    /// What can be a threshold: a message has at most 16 MiB, and not of pictures alone.
    public static let thresholds = 0...(15 << 20)
    public static let standardThreshold = 8 << 20

    /// - Parameter threshold: In bytes, within ``thresholds``; it is brought into them.
    public init(_ store: any ObjectStore, threshold: Int = ClaimCheck.standardThreshold) {
        self.store = store
        self.threshold = min(max(threshold, Self.thresholds.lowerBound), Self.thresholds.upperBound)
    }

    /// Stores pictures of a request, the largest first, until those left in it are within the threshold.
    ///
    /// Their keys are made of the job's id, so that a job sent again stores the same objects again.
    ///
    /// - Parameters:
    ///   - jobID: That the request will be submitted with.
    ///   - time: Now; pictures are kept by day.
    /// - Returns: The request to submit.
    public func deposit(
        _ request: PersonalizeRequest, jobID: String, at time: UnixMilliseconds
    ) async throws(ObjectStoreError) -> PersonalizeRequest {
        var request = request
        var sizes = request.references.enumerated().map { (index: $0.offset, size: $0.element.inlineSize) }
        sizes.sort { ($0.size, $0.index) < ($1.size, $1.index) }
        var sum = sizes.reduce(0) { $0 + $1.size }
        while sum > threshold, let (index, size) = sizes.popLast(), size > 0 {
            guard case .image(let bytes) = request.references[index].picture else { continue }
            let type = PictureType(bytes)
            let key = try ClaimKey.reference(index, ofJob: jobID, at: time / 1000, type)
            try await store.put(bytes, at: key, contentType: type.mediaType)
            request.references[index].picture = .key(key.text)
            sum -= size
        }
        return request
    }

    /// Reads the picture that a result has the key of: what ``ClientConfiguration/fetchPicture`` asks for.
    ///
    /// - Throws: `ObjectStoreError`.
    public func fetch(_ key: String) async throws -> [UInt8] {
        try await store.get(try ObjectKey(key), limit: maximumPictureBytes)
    }
}

/// Keys of the objects that jobs have: what they are, the day by which they can be expired, the job.
package enum ClaimKey {
    package static func reference(
        _ index: Int, ofJob id: String, at seconds: Int64, _ type: PictureType
    ) throws(ObjectStoreError) -> ObjectKey {
        try ObjectKey("references/\(day(seconds))/\(ObjectKey.part(for: id))/\(index).\(type.fileExtension)")
    }

    package static func result(
        ofJob id: String, at seconds: Int64?, _ format: ImageFormat
    ) throws(ObjectStoreError) -> ObjectKey {
        let type = format == .png ? PictureType.png : .jpeg
        return try ObjectKey("results/\(day(seconds))/\(ObjectKey.part(for: id)).\(type.fileExtension)")
    }

    package static func resume(ofJob id: String, at seconds: Int64?) throws(ObjectStoreError) -> ObjectKey {
        try ObjectKey("resume/\(day(seconds))/\(ObjectKey.part(for: id)).pb")
    }

    /// `YYYY-MM-DD`, UTC; times that no calendar of four digits has are all one day.
    private static func day(_ seconds: Int64?) -> String {
        guard let seconds, (0..<253_402_300_800).contains(seconds) else { return "undated" }
        // Days to a date of the Gregorian calendar, counted from 1 March of year 0 (H. Hinnant, "chrono-compatible
        // low-level date algorithms").
        let days = seconds / 86_400 + 719_468
        let era = days / 146_097, dayOfEra = days % 146_097
        let year = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * year + year / 4 - year / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        let parts = [year + 400 * era + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1]
        return zip(parts, [4, 2, 2]).map { number, digits in
            let text = String(number)
            return String(repeating: "0", count: digits - text.count) + text
        }.joined(separator: "-")
    }
}

/// What a picture file seems to be, by its first bytes; only names and labels in a store depend on it.
package enum PictureType {
    case jpeg, png, unknown

    package init(_ bytes: [UInt8]) {
        self =
            bytes.starts(with: [0xFF, 0xD8]) ? .jpeg : bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]) ? .png : .unknown
    }

    package var mediaType: String {
        switch self {
        case .jpeg: "image/jpeg"
        case .png: "image/png"
        case .unknown: "application/octet-stream"
        }
    }

    package var fileExtension: String {
        switch self {
        case .jpeg: "jpg"
        case .png: "png"
        case .unknown: "bin"
        }
    }
}

extension Reference {
    fileprivate var inlineSize: Int {
        guard case .image(let bytes) = picture else { return 0 }
        return bytes.count
    }
}
