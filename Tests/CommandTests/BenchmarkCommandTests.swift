import Testing

/// The benchmark as an operator runs it, at the smallest size.
struct BenchmarkCommandTests {
    @Test(arguments: ["float32", "bfloat16"]) func theDecoderIsMeasured(precision: String) async throws {
        let run = try await Program.run([
            "benchmark", "--random", "sd15", "--only", "decoder.gradient", "--size", "64", "--runs", "2", "--precision",
            precision, "--json",
        ])
        #expect(run.code == 0, "\(run.errors)")
        let timing = try #require(try run.objects.first)
        #expect(timing["name"] as? String == "decoder.gradient")
        let seconds = try #require(timing["seconds"] as? [Double])
        #expect(seconds.count == 2 && seconds.allSatisfy { $0 > 0 })
        // 2,515 GFLOP at 512 x 512 pixels forward, a little more back; all but the attention grow with the pixels.
        let work = try #require(timing["gigaflops"] as? Double)
        #expect((76...80).contains(work), "\(work)")
        let weights = try #require(timing["weightBytes"] as? Double)
        let most = try #require(timing["tensorBytes"] as? Double)
        // 49.5 million numbers of 2 or 4 bytes, transformed or in up to three orders.
        #expect((99e6...700e6).contains(weights) && most > weights)
    }

    @Test(arguments: [
        (["--size", "100"], "--size 100"), (["--memory", "lots"], "lots"), (["--memory", "0"], "0"),
        (["--recompute", "steps", "--memory", "1GiB"], "--recompute auto"), (["--random", "sd9"], "sd9"),
    ])
    func whatMakesNoSenseIsBadUsage(options: [String], complaint: String) async throws {
        let run = try await Program.run(["benchmark"] + options)
        #expect(run.code == 64 && run.errors.contains(complaint), "\(run.code) \(run.errors)")
    }
}
