public import Foundation

/// Configuration files: JSON objects of moderate size.
public enum JSONFile {
    /// Largest file that is read, in bytes; a vocabulary is the largest of them.
    public static let maximumByteCount = 32 << 20

    /// Reads a file and decodes it.
    ///
    /// - Throws: ``CheckpointError`` where the file is absent, too large, no JSON, or lacks what the type needs.
    public static func decode<Value: Decodable>(
        _ type: Value.Type = Value.self, at path: String
    ) throws(CheckpointError) -> Value {
        let data = try read(path)
        do {
            return try JSONDecoder().decode(type, from: data)
        } catch let error as DecodingError {
            throw CheckpointError(.malformed, file: path, describe(error))
        } catch {
            throw CheckpointError(.malformed, file: path, "is not JSON: \(error)")
        }
    }

    /// The content of a file of moderate size.
    ///
    /// - Throws: ``CheckpointError`` where the file is absent or too large.
    public static func read(_ path: String) throws(CheckpointError) -> Data {
        let file = try MappedFile(path)
        guard file.byteCount <= maximumByteCount else {
            throw CheckpointError(
                .tooLarge, file: path, "\(file.byteCount) bytes; at most \(maximumByteCount) are read of such a file")
        }
        return Data(file.bytes)
    }

    private static func describe(_ error: DecodingError) -> String {
        func place(_ context: DecodingError.Context, _ key: (any CodingKey)? = nil) -> String {
            let path = (context.codingPath + (key.map { [$0] } ?? [])).map {
                $0.intValue.map { "[\($0)]" } ?? $0.stringValue
            }
            return path.isEmpty ? "the whole" : path.joined(separator: ".").debugDescription
        }
        switch error {
        case .keyNotFound(let key, let context): return "\(place(context, key)) is missing"
        case .valueNotFound(_, let context): return "\(place(context)) is null"
        case .typeMismatch(let type, let context): return "\(place(context)) is not of type \(type)"
        case .dataCorrupted(let context): return "\(place(context)): \(context.debugDescription)"
        @unknown default: return "cannot be decoded"
        }
    }
}

extension KeyedDecodingContainer {
    /// The value of a key, or a default where the key is absent or null.
    public func value<Value: Decodable>(_ key: Key, or standard: Value) throws -> Value {
        try decodeIfPresent(Value.self, forKey: key) ?? standard
    }
}

/// A value that configuration files give once for all levels of a network, or as a list with one per level.
public enum OneOrMany<Value: Decodable & Sendable & Hashable>: Decodable, Sendable, Hashable {
    case one(Value)
    case many([Value])

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        do {
            self = .one(try container.decode(Value.self))
        } catch {
            self = .many(try container.decode([Value].self))
        }
    }

    /// One value per level, nil where the list has another length.
    public func expanded(to count: Int) -> [Value]? {
        switch self {
        case .one(let value): [Value](repeating: value, count: count)
        case .many(let values): values.count == count ? values : nil
        }
    }
}
