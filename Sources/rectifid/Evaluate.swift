import ArgumentParser
import DemoModel
import Evaluation
import Flow
import Foundation
import Generation
import Raster
import Tensors
import UnixSignals

/// `rectifid evaluate`: how well the method works, in figures.
struct Evaluate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures how well guidance brings people into pictures.",
        discussion: """
            Every person with every prompt and every seed, unguided and guided. A recogniser that took no part in guidance
            judges who the pictures show, and where there is a scene classifier, whether they show what was asked. Spread
            over seeds is what luck alone changes.

                rectifid evaluate --demo --people 4 --seeds 1
                rectifid evaluate --model DIR --face-detector D.onnx --face-recognizer R.onnx --references faces/*.jpg \\
                    --prompts evaluation.json --judge J.onnx --json report.json

            The prompts file says what pictures should show, and may set goals for figures, named as in the report's JSON:

                {"prompts": [{"prompt": "a person on the beach, smiling", "scene": "beach", "expression": "smiling"}],
                 "goals": {"guided.judge.mean": {"atLeast": 0.7}, "guided.gap.worst": {"atMost": 0.4}}}

            Exit codes: 0; 1 with --goals where a goal is missed; 130 when stopped, after what is complete has been
            reported; those of rectifid --help otherwise.
            """)

    @Flag(help: "The embedded model with its own people, prompts and judges; so it is when no model is named.")
    var demo = false

    @OptionGroup var model: ModelOptions

    @Option(
        parsing: .upToNextOption,
        help: "Pictures, one per person; people that no training saw. The demo model has some.")
    var references: [String] = []

    @Option(help: "Use the first N people only; the judge still chooses among all.")
    var people: Int?

    @Option(help: "JSON file of prompts, what they ask for, and goals; the demo model has one.")
    var prompts: String?

    @Option(help: "Seeds of the noise, separated by commas.")
    var seeds = SeedList([1, 2, 3])

    @OptionGroup var overrides: OverrideOptions

    @Option(help: "ArcFace-like recogniser that judges, ONNX; the demo model has one.")
    var judge: String?

    @Option(help: "Folder of scene.onnx and scene.json, which read what a picture shows; the demo model has one.")
    var scenes: String?

    @Option(help: "Pictures to make at once; by default one per core where they are small, one otherwise.")
    var atOnce: Int?

    @Flag(inversion: .prefixedNo, help: "Measure the autoencoder's round trip too.")
    var autoencoder = true

    @OptionGroup var output: ReportOptions

    func validate() throws {
        if demo && !model.isDemo { throw ValidationError("--demo is the embedded model; leave out --model") }
        if !model.isDemo && (references.isEmpty || prompts == nil) {
            throw ValidationError("--model needs --references and --prompts: only the demo model has some of its own")
        }
        if let atOnce, !(1...64).contains(atOnce) {
            throw ValidationError("--at-once \(atOnce); 1 to 64 are possible")
        }
        if let people, people < 1 { throw ValidationError("--people \(people); at least 1 is needed") }
    }

    func run() async throws {
        try await CommandFailure.reporting {
            do {
                try await evaluate()
            } catch let error as EvaluationError {
                throw CommandFailure(error)
            }
        }
    }

    private func evaluate() async throws {
        let start = ContinuousClock().now
        let plan = try plan()
        try EvaluationReport.check(plan.prompts)
        let model = try model.load()
        guard let detector = model.faceDetector else {
            throw CommandFailure(
                .refused, "model \(model.id) has no face networks; give --face-detector and --face-recognizer")
        }
        let scenes = try scenePath().map { try SceneReader(folder: $0) }
        let attributes = try scenes?.vocabulary.check(plan.prompts) ?? []
        let judge = try Judge(detector: detector, recognizer: try judgePath(), references: plan.references)
        let settings = try model.settings(for: plan.request(plan.items[0]))
        let losses = try roundTrips(plan, settings, judge)
        let album = try PictureAlbum(folder: output.folder, sheet: try sheet(plan, settings))
        let atOnce = atOnce ?? EvaluationPlan.pictureCount(at: settings, cores: CPU.shared.cores)
        let run = EvaluationRun(
            model: model, plan: plan, examination: Examination(judge: judge, scenes: scenes), album: album)
        let scores = try await interruptible { progress in
            try await run(atOnce: atOnce) { progress.show($0) }
        }
        let report = EvaluationReport(
            scores, of: plan, model: model, settings: settings,
            attributes: attributes, autoencoder: losses,
            cost: .init(
                seconds: (ContinuousClock().now - start) / .seconds(1), processorSeconds: ProcessUsage.processorSeconds,
                peakBytes: ProcessUsage.peakBytes, atOnce: atOnce, threads: max(1, CPU.shared.cores / atOnce)))
        try output.write(report, sheet: try album.contactSheet())
        if !report.isComplete { throw ExitCode(130) }
        if output.goals && !report.meetsGoals { throw ExitCode(1) }
    }

    private func plan() throws -> EvaluationPlan {
        let references = try EvaluationReference.read(references.isEmpty ? try embedded(DemoModel.samples) : references)
        let prompts = try PromptSet(
            file: try prompts ?? embedded { () throws(DemoModelError) in try DemoModel.judges() + "/evaluation.json" })
        if output.goals && prompts.goals.isEmpty {
            throw CommandFailure(.refused, "--goals: the prompts file has none; add \"goals\" to it")
        }
        return try EvaluationPlan(
            references: references, people: people, prompts: prompts, seeds: seeds.numbers,
            overrides: overrides.overrides)
    }

    private func judgePath() throws -> String? {
        if let judge { return judge }
        return model.isDemo
            ? try embedded { () throws(DemoModelError) in try DemoModel.judges() + "/judge.onnx" } : nil
    }

    private func scenePath() throws -> String? {
        if let scenes { return scenes }
        return model.isDemo ? try embedded(DemoModel.judges) : nil
    }

    private func embedded<Value>(_ find: () throws(DemoModelError) -> Value) throws(CommandFailure) -> Value {
        do { return try find() } catch { throw CommandFailure(.missingInput, "\(error)") }
    }

    /// Before anything else, so that its memory is given back.
    private func roundTrips(
        _ plan: EvaluationPlan, _ settings: Settings, _ judge: Judge
    ) throws -> Autoencoder.Report? {
        guard autoencoder else { return nil }
        return try Autoencoder(model: try model.directory()).report(
            plan.references, width: settings.width, height: settings.height, judge: judge)
    }

    private func sheet(_ plan: EvaluationPlan, _ settings: Settings) throws -> ContactSheet? {
        guard output.sheet != nil else { return nil }
        var sheet = ContactSheet(
            .init(
                people: plan.people, prompts: plan.prompts.prompts.count, isGuided: settings.iterations > 0,
                width: settings.width, height: settings.height))
        for person in 0..<plan.people {
            do {
                try sheet.place(reference: plan.references[person].picture, person: person)
            } catch {
                throw CommandFailure(.internalFailure, "\(error)")
            }
        }
        return sheet
    }

    /// Runs `body` so that Control-C ends it after the passes in hand; what is complete is reported then.
    private func interruptible(
        _ body: @escaping @Sendable (EvaluationProgress) async throws -> [PictureScore]
    ) async throws -> [PictureScore] {
        let progress = EvaluationProgress()
        let work = Task { try await body(progress) }
        let signals = Task {
            for await _ in await UnixSignalsSequence(trapping: .sigint, .sigterm) {
                // Whoever asks twice does not want to wait for the passes either.
                if work.isCancelled { Foundation.exit(130) }
                StandardError.write("\nstopping after the passes in hand\n")
                work.cancel()
            }
        }
        defer { signals.cancel() }
        return try await work.value
    }
}
