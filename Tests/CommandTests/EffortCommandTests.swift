import Testing

/// Cheaper guidance on the command line: refused where it makes no sense, before anything is read or computed.
struct EffortCommandTests {
    private static let picture = ["--reference", "none.jpg", "--prompt", "a person", "--output", "out.png"]

    @Test(arguments: [
        (["--gradient-depth", "0"], "--gradient-depth 0"), (["--jacobian-depth=-1"], "--jacobian-depth -1"),
        (["--gradient-depth", "2", "--jacobian-depth", "3"], "--jacobian-depth 3"),
        (["--cfg-gradient", "none"], "cfg-gradient"), (["--stop-at-similarity", "nan"], "--stop-at-similarity nan"),
        (["--plateau-patience", "0"], "--plateau-patience 0"),
        (["--plateau-patience", "3", "--plateau-tolerance", "2"], "--plateau-tolerance 2"),
        (["--plateau-tolerance", "0.1"], "--plateau-patience"),
    ])
    func whatMakesNoSenseIsBadUsage(options: [String], complaint: String) async throws {
        for command in [["generate"] + Self.picture, ["submit"] + Self.picture, ["evaluate", "--demo"]] {
            let run = try await Program.run(command + options)
            #expect(run.code == 64 && run.errors.contains(complaint), "\(command[0]): \(run.code) \(run.errors)")
        }
    }

    @Test func theEnvironmentHasThemToo() async throws {
        for (name, value) in [("GRADIENT_DEPTH", "-1"), ("JACOBIAN_DEPTH", "x"), ("PLATEAU_PATIENCE", "1001")] {
            let run = try await Program.run(
                ["generate"] + Self.picture, environment: ["RECTIFID_\(name)": value])
            #expect(run.code == 64 && run.errors.contains(value), "\(run.errors)")
        }
    }

    @Test func whatTheModelCannotDoIsRefusedBeforeItIsComputed() async throws {
        for (options, complaint) in [
            (["--gradient-depth", "5"], "gradient-depth: 5; 1 to 4"), (["--gradient-depth", "2"], "gain is 0"),
        ] {
            let run = try await Program.run(["evaluate", "--demo", "--no-autoencoder", "--people", "1"] + options)
            #expect(run.code != 0 && run.errors.contains(complaint), "\(run.code) \(run.errors)")
        }
    }
}
