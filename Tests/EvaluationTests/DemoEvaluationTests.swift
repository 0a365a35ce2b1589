import DemoModel
import Foundation
import Generation
import Raster
import Synchronization
import Tensors
import Testing

@testable import Evaluation

/// Small evaluations of the demo model.
@Suite struct DemoEvaluationTests {
    private let model: Model
    private let references: [EvaluationReference]
    private let examination: Examination

    init() throws {
        model = try Samples.model.get()
        references = try EvaluationReference.read(try DemoModel.samples())
        let judges = try DemoModel.judges()
        examination = Examination(
            judge: try Judge(
                detector: try #require(model.faceDetector), recognizer: judges + "/judge.onnx", references: references),
            scenes: try SceneReader(folder: judges))
    }

    private func plan(people: Int, seeds: [UInt64] = [1], iterations: Int) throws -> EvaluationPlan {
        let prompts = try PromptSet(file: try DemoModel.judges() + "/evaluation.json")
        return try EvaluationPlan(
            references: references, people: people, prompts: PromptSet([prompts.prompts[0]]), seeds: seeds,
            overrides: .init(iterations: iterations))
    }

    @Test func guidanceIsFoundToBringPeopleIn() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: folder) }
        let plan = try plan(people: 2, iterations: 8)
        let settings = try model.settings(for: plan.request(plan.items[0]))
        let geometry = ContactSheet.Geometry(
            people: 2, prompts: 1, isGuided: true, width: settings.width, height: settings.height)
        let album = try PictureAlbum(folder: folder.path, sheet: ContactSheet(geometry))
        let run = EvaluationRun(model: model, plan: plan, examination: examination, album: album)
        let scores = try await run(atOnce: 2) { _ in }
        let report = EvaluationReport(
            scores, of: plan, model: model, settings: settings, attributes: ["scene"], autoencoder: nil,
            cost: .init(
                seconds: 1, processorSeconds: ProcessUsage.processorSeconds, peakBytes: ProcessUsage.peakBytes,
                atOnce: 2, threads: 1))
        #expect(report.isComplete && scores.map(\.isGuided) == [false, true, false, true])
        let before = try #require(report.figures["unguided.judge"]),
            after = try #require(report.figures["guided.judge"])
        #expect(after.mean >= before.mean + 0.2, "\(before.mean) before, \(after.mean) after")
        #expect(try #require(report.figures["guided.asked.scene"]).mean == 1)
        #expect(try #require(report.cost.peakBytes) > 10 << 20)
        #expect(report.cost.processorSeconds > 0.1)
        // The same work for every picture: nine passes of the same operations.
        let operations = try #require(report.figures["guided.operations"])
        #expect(operations.mean > 1 && operations.mean == operations.worst)
        #expect(report.figures["guided.iterations"]?.mean == 8 && report.figures["unguided.operations"] == nil)
        let right = Set(scores[0].asAsked.filter(\.value).keys)
        #expect(Set(try #require(scores[1].kept).keys) == right && scores[0].kept == nil)

        // The files are what was scored, and say how to make them again: the unguided one without any iteration.
        for score in scores {
            let file = folder.appendingPathComponent(try #require(score.file))
            let bytes = [UInt8](try Data(contentsOf: file))
            let metadata = try PictureMetadata.read(bytes)
            #expect(metadata["iterations"] == (score.isGuided ? "8" : "0"))
            #expect(metadata["similarity"] == "\(score.own)" && metadata["seed"] == "1")
            #expect(try Picture.decode(bytes).width == settings.width)
        }
        let sheet = try #require(try album.contactSheet())
        #expect((sheet.width, sheet.height) == (geometry.width, geometry.height))
    }

    /// Rounding takes single pictures elsewhere, as another seed does; over several it must do no more than seeds do.
    @Test func sixteenBitsBringPeopleInAsWell() async throws {
        let plan = try plan(people: 3, seeds: [1, 2, 3], iterations: 12)
        var guided: [Precision: [PictureScore]] = [:]
        for precision in [Precision.float32, .bfloat16] {
            let model = try precision == .float32 ? model : Model(try DemoModel.directory(), precision: precision)
            let run = EvaluationRun(
                model: model, plan: plan, examination: examination, album: try PictureAlbum())
            guided[precision] = try await run(atOnce: 2) { _ in }.filter(\.isGuided)
        }
        let wide = try #require(guided[.float32]), narrow = try #require(guided[.bfloat16])
        #expect(wide.count == 9 && narrow.count == 9)
        for figure in [Figure.own, .judge] {
            let found = try #require(figure.statistic(of: narrow)), expected = try #require(figure.statistic(of: wide))
            let spreads = Dictionary(grouping: wide, by: \.reference).values.compactMap { scores in
                figure.statistic(of: scores).map { $0.range.upperBound - $0.range.lowerBound }
            }
            let spread = spreads.reduce(0, +) / Double(spreads.count)
            #expect(abs(found.mean - expected.mean) <= spread, "\(found) in bfloat16, \(expected) in float32")
            #expect(found != expected)
        }
    }

    @Test func theFirstPassIsTheUnguidedPicture() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: folder) }
        var pictures: [Picture] = []
        for iterations in [1, 0] {
            let run = EvaluationRun(
                model: model, plan: try plan(people: 1, iterations: iterations), examination: examination,
                album: try PictureAlbum(folder: folder.path))
            let scores = try await run(atOnce: 1) { _ in }
            #expect(scores.count == iterations + 1)
            let file = folder.appendingPathComponent(try #require(scores.first?.file))
            pictures.append(try Picture.decode([UInt8](try Data(contentsOf: file))))
        }
        #expect(pictures[0] == pictures[1])
    }

    @Test func cancellingKeepsWhatIsComplete() async throws {
        let plan = try plan(people: 2, seeds: [1, 2, 3], iterations: 1)
        let run = EvaluationRun(
            model: model, plan: plan, examination: examination, album: try PictureAlbum())
        let work = CancellableWork()
        let scores = try await work.run {
            try await run(atOnce: 1) { progress in if progress.done == 2 { work.cancel() } }
        }
        #expect(scores.count == 4)
    }

    @Test func aReferenceWithoutAFaceIsNamed() throws {
        let grey = EvaluationReference(
            name: "grey.png", picture: try Picture(width: 96, height: 96, fill: (90, 140, 200)))
        let error = #expect(throws: EvaluationError.self) {
            try Judge(detector: try #require(model.faceDetector), recognizer: nil, references: [references[0], grey])
        }
        #expect(error?.description.contains("grey.png") == true, "\(String(describing: error))")
    }

    @Test func theJudgeKnowsItsPeople() throws {
        for (index, reference) in references.enumerated() {
            let verdict = try examination.judge(reference.picture)
            #expect(verdict.cosines[index] > 0.999 && Gallery.choice(among: verdict.cosines) == index)
        }
        let empty = try examination.judge(try Picture(width: 64, height: 64, fill: (200, 200, 200)))
        #expect(empty == .init(hasFace: false, cosines: []))
    }

    @Test func theAutoencoderKeepsThePerson() throws {
        let autoencoder = try Autoencoder(model: try DemoModel.directory())
        let report = try #require(
            try autoencoder.report(references.prefix(4), width: 96, height: 96, judge: examination.judge))
        #expect(report.psnr.mean > 30 && report.psnr.worst <= report.psnr.mean && report.psnr.mean < 60)
        #expect(try #require(report.judge).mean > 0.9)
        let picture = try references[0].picture.resized(width: 96, height: 96)
        #expect(picture.signalToNoise(of: picture) == 99)
        let black = try Picture(width: 2, height: 2, fill: (0, 0, 0))
        let white = try Picture(width: 2, height: 2, fill: (255, 255, 255))
        #expect(black.signalToNoise(of: white) == 0)
    }
}

/// A task that can be cancelled from within.
private final class CancellableWork: Sendable {
    private let task = Mutex<Task<[PictureScore], any Error>?>(nil)

    func run(_ body: @escaping @Sendable () async throws -> [PictureScore]) async throws -> [PictureScore] {
        // Made under the lock, so that it is there when it is cancelled.
        let started = task.withLock { task in
            let new = Task { try await body() }
            task = new
            return new
        }
        return try await started.value
    }

    func cancel() { task.withLock { $0?.cancel() } }
}
