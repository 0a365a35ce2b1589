import Tensors

/// The JSON header of a safetensors file, read by a parser of its own.
///
/// A general JSON decoder would silently keep one of two tensors of the same name, and would build a tree of objects
/// some twenty times as large as a hostile header of the permitted 100 MB. This one accepts exactly what the format
/// (github.com/huggingface/safetensors, "Format") permits, in one pass.
struct SafetensorsHeader {
    /// A tensor of the file; `bytes` are counted from the end of the header.
    struct Entry: Sendable, Hashable {
        var number: StoredNumber
        var shape: Shape
        var bytes: Range<Int>
    }

    /// Longest header that the format permits, in bytes.
    static let maximumByteCount = 100_000_000
    /// Most tensors of a file; the largest published model has some thousands.
    static let maximumTensors = 100_000

    private(set) var entries: [String: Entry] = [:]
    private(set) var metadata: [String: String] = [:]

    /// Reads a header and checks it against the bytes that follow it.
    ///
    /// - Parameters:
    ///   - text: The JSON text, without the length in front of it.
    ///   - dataByteCount: Bytes of the file after the header.
    /// - Throws: ``CheckpointError`` of kind `malformed` or `tooLarge`.
    init(_ text: [UInt8], dataByteCount: Int, file: String) throws(CheckpointError) {
        var scanner = JSONScanner(text, file: file)
        try scanner.object(limit: SafetensorsHeader.maximumTensors + 1) { (name, scanner) throws(CheckpointError) in
            if name == "__metadata__" {
                try scanner.object(limit: SafetensorsHeader.maximumTensors) { (key, scanner) throws(CheckpointError) in
                    metadata[key] = try scanner.string()
                }
            } else {
                entries[name] = try SafetensorsHeader.entry(&scanner, name: name, file: file)
            }
        }
        try scanner.end()
        try check(dataByteCount: dataByteCount, file: file)
    }

    private static func entry(
        _ scanner: inout JSONScanner, name: String, file: String
    ) throws(CheckpointError) -> Entry {
        var number: StoredNumber?
        var extents: [Int]?
        var offsets: [Int]?
        try scanner.object(limit: 3) { (field, scanner) throws(CheckpointError) in
            switch field {
            case "dtype":
                let text = try scanner.string()
                guard let known = StoredNumber(rawValue: text) else {
                    throw CheckpointError(
                        .unsupported, file: file, "tensor \(name.debugDescription) has dtype \(text.debugDescription)")
                }
                number = known
            case "shape": extents = try scanner.naturals(limit: Shape.maximumRank)
            case "data_offsets": offsets = try scanner.naturals(limit: 2)
            default:
                throw scanner.failure("tensor \(name.debugDescription) has an unknown field \(field.debugDescription)")
            }
        }
        guard let number, let extents, let offsets, offsets.count == 2, offsets[0] <= offsets[1] else {
            throw CheckpointError(
                .malformed, file: file,
                "tensor \(name.debugDescription) needs a dtype, a shape and two data_offsets in rising order")
        }
        do {
            return Entry(number: number, shape: try Shape(extents), bytes: offsets[0]..<offsets[1])
        } catch {
            throw CheckpointError(.malformed, file: file, "tensor \(name.debugDescription): \(error)")
        }
    }

    /// Every byte after the header belongs to exactly one tensor, and to as many as its shape needs.
    private func check(dataByteCount: Int, file: String) throws(CheckpointError) {
        var end = 0
        for (name, entry) in entries.sorted(by: {
            ($0.value.bytes.lowerBound, $0.value.bytes.upperBound) < (
                $1.value.bytes.lowerBound, $1.value.bytes.upperBound
            )
        }) {
            let (needed, overflow) = entry.shape.count.multipliedReportingOverflow(by: entry.number.byteCount)
            guard !overflow, needed == entry.bytes.count else {
                throw CheckpointError(
                    .malformed, file: file,
                    "tensor \(name.debugDescription) of shape \(entry.shape) and dtype \(entry.number.rawValue) has "
                        + "\(entry.bytes.count) bytes")
            }
            guard entry.bytes.lowerBound == end else {
                let fault = entry.bytes.lowerBound < end ? "overlaps the one before it" : "leaves a hole before it"
                throw CheckpointError(.malformed, file: file, "tensor \(name.debugDescription) \(fault)")
            }
            end = entry.bytes.upperBound
        }
        guard end == dataByteCount else {
            throw CheckpointError(
                .malformed, file: file,
                "the tensors take \(end) bytes but \(dataByteCount) follow the header; the file is cut short or damaged, "
                    + "fetch it again")
        }
    }
}
