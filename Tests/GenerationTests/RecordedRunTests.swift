import Checkpoints
import Flow
import Foundation
import Generation
import Raster
import Tensors
import TestSupport
import Testing

/// Whole runs against what PyTorch computed from the same files, tensor by tensor.
@Suite struct RecordedRunTests {
    /// `params.json` of a case.
    private struct Parameters: Decodable {
        enum Gains: Decodable {
            case word(String), number(Double), list([Double])

            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                if let word = try? container.decode(String.self) {
                    self = .word(word)
                } else if let number = try? container.decode(Double.self) {
                    self = .number(number)
                } else {
                    self = .list(try container.decode([Double].self))
                }
            }

            var gain: Gain? {
                switch self {
                case .word(let word): Gain(word)
                case .number(let number): .uniform(number)
                case .list(let numbers): .perStep(numbers)
                }
            }
        }

        let model, prompt, negative, flow: String
        let scale, rate: Double
        let steps, iterations, people, detector_input: Int
        let gain: Gains
        let size: [Int]
        let seed: UInt64
    }

    private static var cases: [String] {
        ["parity", "made"].flatMap { group in
            let names = (try? FileManager.default.contentsOfDirectory(atPath: Golden.path("\(group)/cases"))) ?? []
            return names.sorted().map { "\(group)/cases/\($0)" }
        }
    }

    @Test func thereAreCases() { #expect(RecordedRunTests.cases.count >= 9) }

    @Test(arguments: cases) func everyTensorAgrees(_ folder: String) throws {
        let parameters = try Golden.json(Parameters.self, "\(folder)/params.json")
        var request = GenerationRequest(references: [], prompt: parameters.prompt, seed: parameters.seed)
        for person in 0..<parameters.people {
            let file = URL(fileURLWithPath: Golden.path("\(folder)/reference\(person).jpg"))
            request.references.append(.init(try Picture.decode([UInt8](try Data(contentsOf: file)))))
        }
        request.negativePrompt = parameters.negative
        (request.height, request.width) = (parameters.size[0], parameters.size[1])
        (request.steps, request.iterations) = (parameters.steps, parameters.iterations)
        (request.rate, request.cfgScale) = (parameters.rate, Float(parameters.scale))
        request.gain = try #require(parameters.gain.gain)
        request.flow = try #require(Schedule.Kind(rawValue: parameters.flow))
        let model = try Model(
            Golden.path("parity/models/\(parameters.model)"),
            judges: .init(
                faceDetector: Golden.path("parity/models/face/detector.onnx"),
                faceRecognizer: Golden.path("parity/models/face/recognizer.onnx"),
                detectorSize: parameters.detector_input))

        var run = try model.begin(request)
        var trace = try GenerationTrace(run)
        while let pass = try run.next() { try trace.record(pass) }
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try trace.write(run, to: path)
        try compare(try Safetensors(path), with: folder)
    }

    private func compare(_ trace: Safetensors, with folder: String) throws {
        let reference = try Golden.tensors("\(folder)/trace.safetensors")
        let rounding = try Golden.json([String: Double].self, "\(folder)/rounding.json")
        for name in reference.names {
            let noise = rounding[name] ?? 0
            // A tensor that float64 itself moves by a hundredth decides nothing.
            guard noise <= 1e-2, let allowed = RecordedRunTests.tolerance(name) else { continue }
            let expected: Tensor
            if let tensor = try? reference.tensor(name) {
                expected = tensor
            } else {
                let ids = try reference.integers(name)
                expected = try Tensor(ids.map { Float($0) }, shape: [1, ids.count])
            }
            try #require(trace.contains(name), "\(folder) lacks \(name)")
            expectClose(try trace.tensor(name), expected, within: max(allowed, 20 * noise), "\(folder) \(name)")
        }
    }

    /// Relative L2 that float32 computations in another order may differ by.
    private static func tolerance(_ name: String) -> Double? {
        let kinds: [(String, Double)] = [
            ("initial_noise", 1e-6), ("timesteps", 1e-6), ("gains", 1e-6), ("prompt_ids", 0), ("negative_ids", 0),
            ("prompt_embedding", 5e-5), ("negative_embedding", 5e-5), ("pooled", 5e-5), ("reference_embedding", 5e-5),
            ("embedding", 5e-5), ("velocity", 1e-4), ("state", 1e-4), ("image", 2e-4), ("gradient", 1e-3),
            ("offset", 2e-3), ("losses", 1e-3), ("similarities", 5e-5), ("boxes", 5e-5), ("points", 5e-5),
        ]
        return kinds.first { name.hasPrefix($0.0) }?.1
    }
}
