import Checkpoints
import Foundation
import Tensors
import TestSupport

/// The floating-point tensors of a golden file, as arrays.
struct TensorFile {
    var tensors: [String: (shape: [Int], elements: [Float])] = [:]

    static let folder = URL(filePath: Golden.path(""))

    init(_ path: String) throws {
        let file = try Golden.tensors(path)
        for name in file.names where file.number(of: name) == .float32 {
            let tensor = try file.tensor(name)
            tensors[name] = (tensor.shape.array, tensor.elements)
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
