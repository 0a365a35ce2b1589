import BrokerTestSupport
import DemoModel
import Foundation
import RectifIDClient
import TelemetryTestSupport
import Testing

/// `rectifid worker` with the demo model, as its operator and its clients see it: `probe`, `submit`, traces.
@Suite(.serialized, .timeLimit(.minutes(5)), .enabled(if: RealBroker.isAvailable))
struct WorkerCommandTests {
    /// A worker process and where its operator looks.
    private struct Place {
        let box: LetterBox
        let folder: TemporaryFolder
        let settings: [String: String]
        let worker: WorkerProcess
        let port: UInt16

        func probe(_ question: String...) async throws -> Program.Run {
            try await Program.run(["probe"] + question, environment: ["RECTIFID_HTTP_PORT": "\(port)"])
        }

        /// Sends a small job, with its spans in `client`.
        func submit(
            _ jobID: String, _ arguments: String..., environment: [String: String] = [:]
        ) async throws -> Program.Run {
            let sample = try #require(try DemoModel.samples().first)
            return try await Program.run(
                [
                    "submit", "--reference", sample, "--prompt", "a portrait", "--job-id", jobID,
                    "--iterations", "1", "--output", folder.path("\(jobID).jpg"), "--traces", folder.path("client"),
                ] + arguments,
                environment: box.environment.merging(settings) { $1 }.merging(environment) { $1 })
        }

        /// The spans in a file, none where there is no file.
        func spans(_ name: String) throws -> [WrittenSpan] {
            guard try folder.names.contains(name) else { return [] }
            return try folder.text(name).split(separator: "\n").flatMap { line in
                try JSONDecoder().decode(WrittenRequest.self, from: Data(line.utf8)).spans
            }
        }
    }

    /// - Parameter settings: Of the worker and its clients, before those of the shared node.
    private func withWorker(
        _ settings: [String: String] = [:], _ body: (Place) async throws -> Void
    ) async throws {
        try await LetterBox.open { box in
            let folder = try TemporaryFolder()
            let port = try PrivateNode.freePort()
            let environment = box.environment.merging(settings) { $1 }
            let worker = try WorkerProcess(
                Program.url.path,
                arguments: [
                    "worker", "--http-port", "\(port)", "--traces", folder.path("worker"), "--worker-id",
                    "worker-\(box.pool.name)",
                ], environment: environment, log: folder.path("log"))
            let place = Place(box: box, folder: folder, settings: settings, worker: worker, port: port)
            try await attempt {
                try await eventually { try await place.probe().code == 0 }
                try await body(place)
            } cleanup: {
                worker.kill()
                _ = await worker.end()
            }
        }
    }

    @Test func probeAsksTheWorkersStatusPort() async throws {
        try await withWorker { place in
            try await eventually { try await place.probe("ready").code == 0 }
            #expect(try await place.probe("ready").output == "ready\n")
            #expect(try await place.probe().output == "ok\n")
            let metrics = try await place.probe("metrics")
            #expect(metrics.code == 0 && metrics.output.contains(#"rectifid_worker_state{state="ready"} 1"#))
            place.worker.terminate()
            #expect(await place.worker.end() == .exit(0))
            let gone = try await place.probe()
            #expect(gone.code == 69 && gone.output.isEmpty && gone.errors.contains("\(place.port)"))
        }
        #expect(try await Program.run(["probe"], environment: ["RECTIFID_HTTP_PORT": ""]).code == 64)
    }

    @Test func aWorkerWithoutItsBrokerIsAliveAndNotReady() async throws {
        try await withWorker(["RECTIFID_AMQP_URL": "amqp://127.0.0.1:\(try PrivateNode.freePort())/"]) { place in
            let ready = try await place.probe("ready")
            #expect(ready.code == 69 && ready.errors.contains("503"))
            #expect(try await place.probe("health").code == 0)
        }
    }

    @Test(.enabled(if: PrivateNode.isAvailable))
    func aWorkerThatStartsBeforeItsBrokerDoesItsJobsOnceThereIsOne() async throws {
        try await PrivateNode.with { node in
            try await node.crash()
            try await withWorker(["RECTIFID_AMQP_URL": node.url]) { place in
                // Both of its connections have failed, more than once.
                try await eventually { try place.folder.text("log").split(separator: "not connected").count > 6 }
                #expect(try await place.probe("ready").code == 69)
                try await node.restart()
                let run = try await place.submit("job")
                #expect(run.code == 0, "\(run.errors)")
                #expect(try await place.probe("ready").code == 0)
                place.worker.terminate()
                #expect(await place.worker.end() == .exit(0))
            }
        }
    }

    /// Who the worker and its client are, their certificates say; no password is known to either.
    @Test(.enabled(if: PrivateNode.isAvailable)) func aCertificateIsAllTheLoginThatAJobNeeds() async throws {
        try await Certificates.withLogin { certificates, port, node in
            try await node.control("delete_user", "guest")
            let settings = [
                "RECTIFID_AMQP_URL": "amqps://localhost:\(port)/", "RECTIFID_TLS_CA": certificates.path("ca.pem"),
                "RECTIFID_TLS_CERTIFICATE": certificates.path("client.pem"),
                "RECTIFID_TLS_KEY": certificates.path("client.key"), "RECTIFID_TLS_LOGIN": "certificate",
            ]
            try await withWorker(settings) { place in
                let run = try await place.submit("job")
                #expect(run.code == 0, "\(run.errors)")
                #expect(try place.folder.names.contains("job.jpg"))
                let refused = try await place.submit("job", environment: ["RECTIFID_TLS_LOGIN": "password"])
                #expect(refused.code == 69 && refused.errors.contains("refused the login"), "\(refused.errors)")
            }
        }
    }

    /// One trace from the script that submits to the worker, and a new file after the old one was moved away.
    @Test func aJobIsOneTraceAndTraceFilesCanBeMovedAway() async throws {
        try await withWorker { place in
            try await eventually { try await place.probe("ready").code == 0 }
            let trace = "0af7651916cd43dd8448eb211c80319c"
            let first = try await place.submit(
                "first", environment: ["TRACEPARENT": "00-\(trace)-b7ad6b7169203331-01"])
            #expect(first.code == 0, "\(first.errors)")
            let client = try #require(try place.spans("client").first)
            #expect(client.name == "submit \(place.box.pool.workExchange)" && client.kind == 3)
            #expect(client.traceId == trace && client.parentSpanId == "b7ad6b7169203331" && client.status.code == nil)
            try await eventually { try !place.spans("worker").isEmpty }
            let process = try #require(try place.spans("worker").first { $0.kind == 5 })
            #expect(process.traceId == trace && process.parentSpanId == client.spanId)

            try FileManager.default.moveItem(atPath: place.folder.path("worker"), toPath: place.folder.path("old"))
            place.worker.hangUp()
            try await eventually { try place.folder.names.contains("worker") }
            #expect(place.worker.isRunning)
            #expect(try await place.submit("second", "--model", "no-such-model").code == 65)
            try await eventually { try !place.spans("worker").isEmpty }
            let second = try #require(try place.spans("client").last)
            let other = try #require(try place.spans("worker").first { $0.kind == 5 })
            // A trace of its own, which the client begins.
            #expect(second.traceId != trace && second.parentSpanId == nil && second.status.code == 2)
            #expect(other.traceId == second.traceId && other.parentSpanId == second.spanId)
            #expect(try place.spans("old").allSatisfy { $0.traceId == trace })
        }
    }
}
