import Foundation
public import Tensors

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

extension Safetensors {
    /// Writes tensors as float32, in the given order, behind a header aligned to eight bytes.
    ///
    /// The file appears under its name only when it is complete, so that readers that have an older one mapped keep it.
    ///
    /// - Throws: ``CheckpointError`` where two tensors have one name or the system refuses to write.
    public static func write(
        _ tensors: [(name: String, tensor: Tensor)], metadata: [String: String] = [:], to path: String
    ) throws(CheckpointError) {
        let bytes = try encode(tensors, metadata: metadata, file: path)
        do {
            try Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw CheckpointError(.unreadable, file: path, "cannot be written: \(error.localizedDescription)")
        }
    }

    /// The bytes of such a file.
    ///
    /// - Parameter file: What errors call it.
    /// - Throws: ``CheckpointError`` where two tensors have one name.
    public static func encode(
        _ tensors: [(name: String, tensor: Tensor)], metadata: [String: String] = [:], file: String = "safetensors"
    ) throws(CheckpointError) -> [UInt8] {
        var bytes = try header(
            tensors.map { ($0.name, .float32, $0.tensor.shape) }, metadata: metadata, alignment: 8, file: file)
        bytes.reserveCapacity(bytes.count + tensors.reduce(0) { $0 + $1.tensor.shape.count * 4 })
        for (_, tensor) in tensors {
            // Every machine that this runs on is little endian, as the format is.
            tensor.withElements { elements in
                elements.withUnsafeBytes { bytes.append(contentsOf: $0) }
            }
        }
        return bytes
    }

    /// What stands before the numbers of such tensors, which follow each other without gaps.
    ///
    /// - Parameters:
    ///   - alignment: Of the first number's place in the file, in bytes.
    ///   - file: What errors call it.
    /// - Throws: ``CheckpointError`` where two tensors have one name.
    static func header(
        _ tensors: [(name: String, number: StoredNumber, shape: Shape)], metadata: [String: String], alignment: Int,
        file: String
    ) throws(CheckpointError) -> [UInt8] {
        var members: [String] = []
        if !metadata.isEmpty {
            let pairs = metadata.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\(quoted($0.value))" }
            members.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
        }
        var names: Set<String> = ["__metadata__"]
        var end = 0
        for (name, number, shape) in tensors {
            guard names.insert(name).inserted else {
                throw CheckpointError(.malformed, file: file, "two tensors are called \(name.debugDescription)")
            }
            let start = end
            end += shape.count * number.byteCount
            let extents = shape.array.map(String.init).joined(separator: ",")
            members.append(
                "\(quoted(name)):{\"dtype\":\"\(number.rawValue)\",\"shape\":[\(extents)],"
                    + "\"data_offsets\":[\(start),\(end)]}")
        }
        var header = Array("{\(members.joined(separator: ","))}".utf8)
        let padding = (alignment - (8 + header.count) % alignment) % alignment
        header.append(contentsOf: [UInt8](repeating: UInt8(ascii: " "), count: padding))
        return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header
    }

    /// A JSON string literal.
    private static func quoted(_ text: String) -> String {
        var literal = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": literal += "\\\""
            case "\\": literal += "\\\\"
            case "\u{0}"..<"\u{20}":
                let digits = String(scalar.value, radix: 16)
                literal += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: literal.unicodeScalars.append(scalar)
            }
        }
        return literal + "\""
    }
}
