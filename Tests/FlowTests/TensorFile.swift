import Foundation

/// A safetensors file of the golden files, read whole; float32 tensors only.
struct TensorFile {
    var tensors: [String: (shape: [Int], elements: [Float])] = [:]

    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures")

    init(_ path: String) throws {
        let data = try Data(contentsOf: Self.folder.appending(path: path))
        let length = data.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
        let header = try JSONSerialization.jsonObject(with: data.dropFirst(8).prefix(length)) as? [String: Any] ?? [:]
        for (name, entry) in header {
            guard let entry = entry as? [String: Any], entry["dtype"] as? String == "F32",
                let shape = entry["shape"] as? [Int], let range = entry["data_offsets"] as? [Int]
            else { continue }
            let bytes = [UInt8](data.dropFirst(8 + length + range[0]).prefix(range[1] - range[0]))
            let elements = stride(from: 0, to: bytes.count, by: 4).map { start in
                Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) })
            }
            tensors[name] = (shape, elements)
        }
    }
}

/// The settings of one recorded case, as its params.json holds them.
struct CaseSettings: Decodable {
    enum RecordedGain: Decodable {
        case name(String)
        case number(Double)
        case list([Double])

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Double.self) {
                self = .number(number)
            } else if let list = try? container.decode([Double].self) {
                self = .list(list)
            } else {
                self = .name(try container.decode(String.self))
            }
        }
    }

    let model: String
    let steps: Int
    let iterations: Int
    let rate: Double
    let gain: RecordedGain
    let flow: String
    let size: [Int]
    let seed: UInt64

    init(_ folder: String) throws {
        let data = try Data(contentsOf: TensorFile.folder.appending(path: "\(folder)/params.json"))
        self = try JSONDecoder().decode(CaseSettings.self, from: data)
    }
}

/// One schedule as the golden files state it.
struct RecordedSchedule: Decodable {
    let flow: String
    let prediction: String?
    let steps: Int
    let timesteps: [Float]
    let next: [Double]?
    let state_factor: [Double]?
    let output_factor: [Double]?
    let derived: [Double]?
    let published: [Double]?

    static func all() throws -> [RecordedSchedule] {
        let data = try Data(contentsOf: TensorFile.folder.appending(path: "made/modules/schedules.json"))
        return try JSONDecoder().decode([RecordedSchedule].self, from: data)
    }
}

/// Whether two lists agree within an absolute tolerance.
func close(_ a: [Float], _ b: [Float], _ tolerance: Float) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= tolerance }
}

/// |a - b| / |b| in L2.
func distance(_ a: [Float], _ b: [Float]) -> Double {
    guard a.count == b.count else { return .infinity }
    let difference = zip(a, b).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
    return (difference / max(1e-300, b.reduce(0) { $0 + Double($1) * Double($1) })).squareRoot()
}
