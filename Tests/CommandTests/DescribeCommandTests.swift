import BrokerTestSupport
import Foundation
import RectifIDClient
import Testing

/// `rectifid describe` and workers that are processes of their own.
@Suite(.serialized, .timeLimit(.minutes(5)), .enabled(if: RealBroker.isAvailable))
struct DescribeCommandTests {
    /// Lets tiny workers work while `body` runs.
    private func withWorkers(
        _ ids: [String], slots: Int = 1, on box: LetterBox, _ body: () async throws -> Void
    ) async throws {
        let workers = try ids.map { id in
            try WorkerProcess(
                arguments: [RealBroker.url ?? "", box.pool.name],
                environment: ["TINY_WORKER_ID": id, "TINY_SLOTS": "\(slots)"])
        }
        try await attempt {
            // Each listens to its own queue first and to its lanes afterwards.
            try await eventually {
                let replies = try await box.run("describe", "--json", "--quiet", "0.3")
                return try replies.objects.count { ($0["lanes"] as? [Any])?.count == 2 } == ids.count
            }
            try await body()
        } cleanup: {
            for worker in workers {
                worker.terminate()
                #expect(await worker.end() == .exit(0))
            }
        }
    }

    @Test func everyWorkerOfThePoolIsShownByName() async throws {
        try await LetterBox.open { box in
            let ids = ["b-\(box.pool.name)", "a-\(box.pool.name)"]
            try await withWorkers(ids, slots: 2, on: box) {
                let run = try await box.run("describe", "--json")
                #expect(run.code == 0)
                let workers = try run.objects
                #expect(workers.map { $0["worker"] as? String } == ids.sorted())
                for worker in workers {
                    #expect(worker["state"] as? String == "ready" && worker["slots"] as? Int == 2)
                    #expect(worker["device"] as? String == "arithmetic")
                    let models = try #require(worker["models"] as? [[String: Any]])
                    #expect(models.map { $0["id"] as? String } == ["tiny"])
                    let lanes = try #require(worker["lanes"] as? [[String: Any]])
                    #expect(lanes.map { $0["name"] as? String } == ["interactive", "batch"])
                    #expect(lanes.map { $0["weight"] as? Int } == [4, 1])
                    #expect(lanes.allSatisfy { $0["shards"] as? Int == Pool.standardShards })
                }
                let text = try await box.run("describe", "--worker", ids[1])
                #expect(text.code == 0)
                #expect(text.output.hasPrefix("\(ids[1])  ready  0 of 2 slots in use\n"))
                #expect(text.output.contains("  lane      interactive  4 of 5 jobs, \(Pool.standardShards) shards\n"))
                #expect(text.output.contains("  model     tiny  16x16"))
                #expect(!text.output.contains(ids[0]))
            }
        }
    }

    @Test func aPoolWithoutWorkersIsAnErrorThatSaysSo() async throws {
        try await LetterBox.open { box in
            let nobody = try await box.run("describe", "--wait", "0.2")
            #expect(nobody.code == 69 && nobody.output.isEmpty)
            #expect(nobody.errors.contains("no worker of the pool '\(box.pool.name)'"))
            let one = try await box.run("describe", "--worker", "w", "--wait", "0.2")
            #expect(one.code == 69 && one.errors.contains("the worker 'w'"))
            #expect(try await box.run("describe", "--wait", "0").code == 64)
        }
    }
}
