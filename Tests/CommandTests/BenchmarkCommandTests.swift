import DemoModel
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
        // 49.5 million numbers of 2 or 4 bytes, most of them transformed to up to four times as many.
        #expect((99e6...800e6).contains(weights) && most > weights)
    }

    @Test func everyOperationIsMeasuredByItself() async throws {
        let run = try await Program.run([
            "benchmark", "--model", try DemoModel.directory(), "--only", "operations", "--size", "64", "--runs", "2",
            "--json",
        ])
        #expect(run.code == 0, "\(run.errors)")
        let lines = try run.objects
        let peak = try #require(lines.first?["gigaflops"] as? [String: Double])
        #expect(peak.values.allSatisfy { $0 > 0.1 } && Set(peak.keys) == ["float32", "bfloat16"])
        let operations = lines.filter { $0["name"] as? String == "operation" }
        #expect(operations.count == lines.count - 1)
        for network in ["unet", "decoder"] {
            let own = operations.filter { $0["network"] as? String == network }
            let kinds = Set(own.compactMap { $0["operation"] as? String })
            for kind in ["convolve", "linear", "group norm"] {
                #expect(kinds.contains(kind) && kinds.contains("\(kind) gradient"), "\(network): \(kinds)")
            }
            // Sorted by what they take in all, each with all its numbers.
            let totals = own.compactMap { $0["totalSeconds"] as? Double }
            #expect(totals.count == own.count && totals == totals.sorted(by: >))
            // Each shape once.
            let calls = own.map { "\($0["operation"] ?? "") \($0["shapes"] ?? "") \($0["precision"] ?? "")" }
            #expect(Set(calls).count == calls.count)
            for operation in own {
                let bytes = try #require(operation["bytes"] as? Double), share = operation["shareOfPeak"] as? Double
                #expect(bytes > 0 && (share ?? 0) > 0, "\(operation)")
            }
        }
    }

    @Test func theProfileSaysHowCloseToThePeakItIs() async throws {
        let run = try await Program.run([
            "benchmark", "--model", try DemoModel.directory(), "--only", "unet.forward", "--size", "64", "--runs", "1",
            "--profile",
        ])
        #expect(run.code == 0, "\(run.errors)")
        #expect(run.output.contains("peaks: float32") && run.output.contains("demo, 64 x 64 pixels"), "\(run.output)")
        let line = try #require(run.output.split(separator: "\n").first { $0.hasPrefix("    convolve:") })
        #expect(line.contains("GFLOP/s") && line.contains("GB/s") && line.hasSuffix("of the peak"), "\(line)")
    }

    @Test(arguments: [
        (["--size", "100"], "--size 100"), (["--memory", "lots"], "lots"), (["--memory", "0"], "0"),
        (["--recompute", "steps", "--memory", "1GiB"], "--recompute auto"), (["--random", "sd9"], "sd9"),
        (["--random", "sd15", "--model", "x"], "exclude"), (["--driven", "--only", "operations"], "--driven"),
    ])
    func whatMakesNoSenseIsBadUsage(options: [String], complaint: String) async throws {
        let run = try await Program.run(["benchmark"] + options)
        #expect(run.code == 64 && run.errors.contains(complaint), "\(run.code) \(run.errors)")
    }

    @Test func aFolderThatIsNoModelIsSaid() async throws {
        let run = try await Program.run(["benchmark", "--model", "/nowhere"])
        #expect(run.code == 66 && run.errors.contains("/nowhere"), "\(run.code) \(run.errors)")
    }
}
