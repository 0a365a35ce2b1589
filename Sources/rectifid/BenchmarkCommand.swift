import ArgumentParser
import Benchmark
import Foundation
import Tensors

/// `rectifid benchmark`: how fast the engine is here.
struct BenchmarkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmark", abstract: "Measures the engine on this machine.",
        discussion: """
            Networks of a published size with random weights and inputs, and a guided iteration: its steps with
            classifier-free guidance, the decoder, and the gradients of every step's offset. Median, fastest and slowest of
            several runs after one that is not counted.

                rectifid benchmark --random sd15 --precision bfloat16 --profile
                rectifid benchmark --random sdxl --size 512 --only unet.forward --json

            OPENBLAS_CORETYPE in the environment ties OpenBLAS to an older processor than this one; unset it first.
            """)

    @Option(help: "Size of the networks: \(BenchmarkScale.allCases.map(\.rawValue).joined(separator: ", ")).")
    var random = BenchmarkScale.sd15

    @Option(
        help: "Side of the picture in pixels, a multiple of 64; the size that the networks were trained for by default."
    )
    var size: Int?

    @Option(
        help:
            "What to measure: \(NetworkBenchmark.Subject.allCases.map(\.rawValue).joined(separator: ", ")); all by default."
    )
    var only: [NetworkBenchmark.Subject] = []

    @Option(help: "float32 or bfloat16.")
    var precision = Precision.float32

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
        if let size, size % 64 != 0 || !(64...2048).contains(size) {
            throw ValidationError("--size \(size); multiples of 64 up to 2048 are possible")
        }
        if !(1...100).contains(runs) { throw ValidationError("--runs \(runs); 1 to 100 are possible") }
        if !(1...16).contains(steps) { throw ValidationError("--steps \(steps); 1 to 16 are possible") }
        if let threads, threads < 1 { throw ValidationError("--threads \(threads); at least 1 is needed") }
    }

    func run() throws {
        let side = size ?? random.side
        let benchmark = try NetworkBenchmark(
            random, height: side, width: side, precision: precision, steps: steps, recompute: memory.plan,
            repetitions: runs,
            subjects: only.isEmpty ? NetworkBenchmark.Subject.allCases : only)
        if driven { return try CPU.$threadLimit.withValue(threads) { try answer(with: benchmark) } }
        if !json {
            print(
                "\(CPU.shared.cores) cores, \(threads.map { "\($0) threads, " } ?? "")OpenBLAS for \(CPU.shared.coreName)"
            )
        }
        try CPU.$threadLimit.withValue(threads) { try benchmark.run(report) }
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

    private func report(_ timing: Timing) {
        if json { return printJSON(timing) }
        let (low, high) = (timing.seconds.min() ?? 0, timing.seconds.max() ?? 0)
        print(
            String(
                format: """
                    %@: %.3f s (%.3f to %.3f), %.0f GFLOP at %.0f GFLOP/s; weights %.2f GB, all tensors %.2f GB, process \
                    %.2f GB; %@
                    """,
                timing.name,
                timing.median, low, high, timing.operations * 1e-9, timing.rate,
                Double(timing.tensorMemory.before) * 1e-9, Double(timing.tensorMemory.most) * 1e-9,
                Double(timing.peakMemory) * 1e-9, timing.subject))
        guard profile else { return }
        for (kind, entry) in timing.profile.sorted(by: { $0.value.seconds > $1.value.seconds }) {
            let rate =
                entry.operations > 0 ? String(format: ", %.0f GFLOP/s", entry.operations / entry.seconds * 1e-9) : ""
            print(String(format: "    %@: %.3f s in %d calls%@", kind, entry.seconds, entry.count, rate))
        }
    }

    private func printJSON(_ timing: Timing) {
        let document = Document(
            name: timing.name, subject: timing.subject, seconds: timing.seconds,
            median: timing.median,
            gigaflops: timing.operations * 1e-9, peakMemoryBytes: timing.peakMemory,
            weightBytes: timing.tensorMemory.before, tensorBytes: timing.tensorMemory.most,
            cores: CPU.shared.threads, blas: CPU.shared.coreName,
            profile: timing.profile.mapValues {
                .init(calls: $0.count, seconds: $0.seconds, gigaflops: $0.operations * 1e-9)
            })
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if let line = try? encoder.encode(document) { print(String(decoding: line, as: UTF8.self)) }
    }

    private struct Document: Encodable {
        struct Entry: Encodable {
            let calls: Int
            let seconds, gigaflops: Double
        }

        let name, subject: String
        let seconds: [Double]
        let median, gigaflops: Double
        let peakMemoryBytes, weightBytes, tensorBytes, cores: Int
        let blas: String
        let profile: [String: Entry]
    }
}
