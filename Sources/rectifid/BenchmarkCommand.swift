import ArgumentParser
import Benchmark
import Checkpoints
import Foundation
import Tensors

/// `rectifid benchmark`: how fast the engine is here.
struct BenchmarkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmark", abstract: "Measures the engine on this machine.",
        discussion: """
            Networks of a published size with random weights, or those of a folder, on random inputs; and a guided iteration:
            its steps with classifier-free guidance, the decoder, and the gradients of every step's offset. Median, fastest
            and slowest of several runs after one that is not counted.

                rectifid benchmark --random sd15 --precision bfloat16 --profile
                rectifid benchmark --random sdxl --size 512 --only unet.forward --json
                rectifid benchmark --model DIR --only operations

            --only operations measures every operation and shape of the U-Net and the decoder by itself, there and back, and
            sorts them by what all its calls take: GFLOP/s of the plain algorithm, bytes that must be read and written at
            least, and how close the time is to the least that this machine could do (its peaks are measured first; fewer
            products than the plain algorithm's, or a cache, go beyond them).

            OPENBLAS_CORETYPE in the environment ties OpenBLAS to an older processor than this one; unset it first.
            """)

    @Option(help: "Size of the networks: \(BenchmarkScale.allCases.map(\.rawValue).joined(separator: ", ")).")
    var random: BenchmarkScale?

    @Option(help: "A folder in diffusers' layout, instead of random weights.")
    var model: String?

    @OptionGroup var cache: CacheOptions

    @Option(
        help: "Side of the picture in pixels, a multiple of 64; the size that the networks were trained for by default."
    )
    var size: Int?

    @Option(
        help: """
            What to measure: \(NetworkBenchmark.Subject.allCases.map(\.rawValue).joined(separator: ", ")); all but the \
            operations by default.
            """)
    var only: [NetworkBenchmark.Subject] = []

    @Option(help: "float32 or bfloat16; bfloat16 by default where the processor has it.")
    var precision = CPU.preferredPrecision

    @OptionGroup var memory: MemoryOptions

    @Option(help: "Steps of the iteration.")
    var steps = 4

    @Option(help: "Counted runs of each.")
    var runs = 3

    @Option(help: "Threads; one per core by default.")
    var threads: Int?

    @Flag(
        help: """
            Run what each line of standard input names, once, and print its seconds: for comparisons that take turns \
            with another program.
            """)
    var driven = false

    @Flag(help: "Also print where the time goes.")
    var profile = false

    @Flag(help: "Print one JSON object per timing.")
    var json = false

    func validate() throws {
        if random != nil, model != nil { throw ValidationError("--random and --model exclude each other") }
        if let size, size % 64 != 0 || !(64...2048).contains(size) {
            throw ValidationError("--size \(size); multiples of 64 up to 2048 are possible")
        }
        if !(1...100).contains(runs) { throw ValidationError("--runs \(runs); 1 to 100 are possible") }
        if !(1...16).contains(steps) { throw ValidationError("--steps \(steps); 1 to 16 are possible") }
        if let threads, threads < 1 { throw ValidationError("--threads \(threads); at least 1 is needed") }
        if driven, only.contains(.operations) { throw ValidationError("--driven runs no operations by themselves") }
    }

    func run() throws {
        do {
            try measure()
        } catch let error as CheckpointError {
            StandardError.write("Error: \(error)\n")
            throw ExitCode(CommandFailure.Code.missingInput.rawValue)
        }
    }

    private func measure() throws {
        let shelf = try model.flatMap { model in
            try cache.folder.map { try PreparedWeights(in: $0, model: model, precision) }
        }
        let networks =
            if let model { try BenchmarkModel(folder: model, on: shelf) } else { try BenchmarkModel(random ?? .sd15) }
        let side = size ?? networks.side
        let benchmark = try NetworkBenchmark(
            networks, height: side, width: side, precision: precision, steps: steps, recompute: memory.plan,
            repetitions: runs, subjects: only.isEmpty ? NetworkBenchmark.Subject.whole : only)
        if driven { return try CPU.$threadLimit.withValue(threads) { try answer(with: benchmark) } }
        try CPU.$threadLimit.withValue(threads) {
            let asksForPeak = profile || benchmark.subjects.contains(.operations)
            let report = BenchmarkReport(
                precision: precision, peak: asksForPeak ? try MachinePeak.measure() : nil, profile: profile, json: json)
            report.printMachine(threads)
            try benchmark.run(report.print)
            if benchmark.subjects.contains(.operations), let peak = report.peak {
                report.print(try benchmark.operations(peak))
            }
        }
    }

    private func answer(with benchmark: NetworkBenchmark) throws {
        var bodies: [NetworkBenchmark.Subject: () throws -> Void] = [:]
        while let line = readLine() {
            guard let subject = NetworkBenchmark.Subject(rawValue: line), benchmark.subjects.contains(subject) else {
                throw ValidationError("'\(line)' is not measured here")
            }
            let body = try bodies[subject] ?? benchmark.prepare(subject).body
            bodies[subject] = body
            let start = ContinuousClock.now
            try body()
            let time = (ContinuousClock.now - start).components
            print(Double(time.seconds) + Double(time.attoseconds) * 1e-18)
            fflush(nil)
        }
    }
}
