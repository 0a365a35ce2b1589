public import Tensors

/// Tensors of one safetensors file, or of the files that an index names.
///
/// The files stay mapped into memory, read-only, as long as this value or a tensor that shares its memory lives; only
/// what is asked for is read. Format: github.com/huggingface/safetensors. See ``MappedFile`` for what may happen to a
/// file meanwhile.
public struct Safetensors: Sendable {
    /// The file, or the index, as it was given.
    public let path: String
    /// Free text entries of the header; of an index, those of all its files.
    public let metadata: [String: String]
    private let places: [String: Place]

    struct Place: Sendable {
        var file: MappedFile
        /// First byte after the file's header.
        var start: Int
        var entry: SafetensorsHeader.Entry
    }

    /// Opens `*.safetensors`, or all files that `*.safetensors.index.json` names.
    ///
    /// - Throws: ``CheckpointError`` where a file cannot be read or breaks the rules of the format.
    public init(_ path: String) throws(CheckpointError) {
        if path.hasSuffix(".json") {
            self = try ShardIndex(path).open()
        } else {
            try self.init(file: path)
        }
    }

    /// Opens one file.
    ///
    /// - Parameter ownOnly: As of ``MappedFile``.
    init(file path: String, ownOnly: Bool = false) throws(CheckpointError) {
        let file = try MappedFile(path, ownOnly: ownOnly)
        guard file.byteCount >= 8 else {
            throw CheckpointError(.malformed, file: path, "\(file.byteCount) bytes are too few for a safetensors file")
        }
        let stated = UInt64(littleEndian: file.bytes.loadUnaligned(as: UInt64.self))
        guard stated <= SafetensorsHeader.maximumByteCount, Int(stated) <= file.byteCount - 8 else {
            throw CheckpointError(
                .malformed, file: path,
                "states a header of \(stated) bytes in a file of \(file.byteCount); this is no safetensors file, or cut short"
            )
        }
        let start = 8 + Int(stated)
        let header = try SafetensorsHeader(
            [UInt8](file.bytes[8..<start]), dataByteCount: file.byteCount - start, file: path)
        self.path = path
        metadata = header.metadata
        places = header.entries.mapValues { Place(file: file, start: start, entry: $0) }
    }

    init(path: String, metadata: [String: String], places: [String: Place]) {
        self.path = path
        self.metadata = metadata
        self.places = places
    }

    /// Names of all tensors, sorted.
    public var names: [String] { places.keys.sorted() }

    /// Numbers in all tensors together; four bytes each once they are read.
    public var elementCount: Int { places.values.reduce(0) { $0 + $1.entry.shape.count } }

    /// Whether there is a tensor of this name.
    public func contains(_ name: String) -> Bool { places[name] != nil }

    /// Shape of a tensor, nil where there is none of this name.
    public func shape(of name: String) -> Shape? { places[name]?.entry.shape }

    /// How the numbers of a tensor are stored, nil where there is none of this name.
    public func number(of name: String) -> StoredNumber? { places[name]?.entry.number }

    /// A tensor as float32, which holds every float16 and bfloat16 number exactly.
    ///
    /// - Parameters:
    ///   - name: As in the file.
    ///   - shape: The shape that is needed; any by default.
    /// - Throws: ``CheckpointError`` where there is no such tensor, or it has another shape or no floating-point numbers.
    public func tensor(_ name: String, _ shape: Shape? = nil) throws(CheckpointError) -> Tensor {
        let numbers = try numbers(name, shape)
        do {
            return try numbers.tensor()
        } catch {
            throw CheckpointError(error, file: path, loading: "tensor \(name.debugDescription)")
        }
    }

    /// The same, not read yet.
    func numbers(_ name: String, _ shape: Shape?) throws(CheckpointError) -> StoredNumbers {
        let place = try place(name)
        if let shape, shape != place.entry.shape {
            throw CheckpointError(
                .mismatched, file: place.file.path,
                "tensor \(name.debugDescription) has shape \(place.entry.shape), but \(shape) is needed")
        }
        return try StoredNumbers(place, name)
    }

    /// The numbers of a tensor of whole numbers, row major.
    ///
    /// - Throws: ``CheckpointError`` where there is no such tensor or it has no whole numbers.
    public func integers(_ name: String) throws(CheckpointError) -> [Int] {
        try place(name).integers(name)
    }

    private func place(_ name: String) throws(CheckpointError) -> Place {
        guard let place = places[name] else {
            throw CheckpointError(.missing, file: path, "has no tensor \(name.debugDescription)")
        }
        return place
    }

    /// All tensors of several files as one.
    static func joining(_ parts: [Safetensors], as path: String) throws(CheckpointError) -> Safetensors {
        var metadata: [String: String] = [:]
        var places: [String: Place] = [:]
        for part in parts {
            metadata.merge(part.metadata) { first, _ in first }
            for (name, place) in part.places {
                guard places.updateValue(place, forKey: name) == nil else {
                    throw CheckpointError(.malformed, file: path, "two files hold a tensor \(name.debugDescription)")
                }
            }
        }
        return Safetensors(path: path, metadata: metadata, places: places)
    }
}
