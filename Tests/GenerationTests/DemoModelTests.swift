import DemoModel
import Flow
import Foundation
import Generation
import Raster
import Testing

/// The embedded model, as a user has it.
@Suite struct DemoModelTests {
    static let model = Result { try Model(try DemoModel.directory()) }

    static func request(iterations: Int, seed: UInt64 = 1) throws -> GenerationRequest {
        let sample = try #require(try DemoModel.samples().first)
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: sample)))
        var request = GenerationRequest(
            references: [.init(try Picture.decode(bytes))], prompt: "a smiling person at the beach", seed: seed)
        request.iterations = iterations
        return request
    }

    /// What comes of a request whose run is interrupted after so many passes and goes on from its encoded state.
    static func resumed(
        _ request: GenerationRequest, after passes: Int
    ) throws -> (picture: Picture?, run: GenerationRun) {
        let model = try DemoModelTests.model.get()
        var first = try model.begin(request)
        for _ in 0..<passes { _ = try first.next() }
        let state = try JSONDecoder().decode(GuidanceState.self, from: try JSONEncoder().encode(first.state))
        var second = try model.begin(request, resuming: state)
        var picture: Picture?
        while let pass = try second.next() { picture = pass.isLast ? try pass.picture() : nil }
        return (picture, second)
    }

    @Test func guidanceBringsThePersonIn() throws {
        let model = try DemoModelTests.model.get()
        var run = try model.begin(try DemoModelTests.request(iterations: 10))
        while try run.next() != nil {}
        let before = try #require(run.similarities.first), after = try #require(run.similarities.last)
        #expect(run.losses.count == 11)
        #expect(after >= before + 0.3, "similarity \(before) before, \(after) after")
    }

    @Test func anInterruptedRunGoesOnBitForBit() throws {
        let model = try DemoModelTests.model.get()
        let request = try DemoModelTests.request(iterations: 4)
        var whole = try model.begin(request)
        var expected: Picture?
        while let pass = try whole.next() { expected = pass.isLast ? try pass.picture() : nil }
        for interruption in 1...4 {
            let resumed = try DemoModelTests.resumed(request, after: interruption)
            #expect(resumed.picture == expected, "interrupted after \(interruption) passes")
            #expect(resumed.run.losses == whole.losses)
        }
    }

    @Test func aReferenceWithoutAFaceIsRefused() throws {
        let model = try DemoModelTests.model.get()
        var request = try DemoModelTests.request(iterations: 1)
        request.references = [.init(try Picture(width: 96, height: 96, fill: (90, 140, 200)))]
        let error = try #require(throws: GenerationError.self) { try model.begin(request) }
        #expect(error.kind == .noSubject)
        #expect(error.message.contains("reference 1"), "\(error)")
    }

    @Test func settingsOutOfRangeNameTheirField() throws {
        let model = try DemoModelTests.model.get()
        let refusals: [(String, (inout GenerationRequest) -> Void)] = [
            ("width", { $0.width = 63 }), ("height", { $0.height = 1 << 40 }), ("steps", { $0.steps = 0 }),
            ("iterations", { $0.iterations = -1 }), ("rate", { $0.rate = .nan }), ("cfg", { $0.cfgScale = .infinity }),
            ("subject", { $0.references = [] }),
        ]
        for (field, change) in refusals {
            var request = try DemoModelTests.request(iterations: 1)
            change(&request)
            let error = try #require(throws: GenerationError.self, "\(field)") { try model.begin(request) }
            #expect(error.kind == .invalidRequest && error.field == field, "\(error)")
        }
    }

    @Test func aStateOfAnotherJobIsRefused() throws {
        let model = try DemoModelTests.model.get()
        let state = GuidanceState(completedIterations: 1, offsets: [[0]], anchors: [], losses: [1], similarities: [1])
        let error = try #require(throws: GenerationError.self) {
            try model.begin(try DemoModelTests.request(iterations: 2), resuming: state)
        }
        #expect(error.kind == .invalidRequest && error.field == "resume")
    }

    @Test func anIncompleteFolderIsNamed() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.copyItem(at: URL(fileURLWithPath: try DemoModel.directory()), to: folder)
        defer { try? FileManager.default.removeItem(at: folder) }
        let weights = folder.appendingPathComponent("unet/diffusion_pytorch_model.safetensors")
        let bytes = try Data(contentsOf: weights)
        try bytes.prefix(bytes.count / 2).write(to: weights)
        let error = try #require(throws: GenerationError.self) { _ = try Model(folder.path) }
        #expect(error.kind == .invalidModel && error.message.contains("unet"), "\(error)")
    }
}
