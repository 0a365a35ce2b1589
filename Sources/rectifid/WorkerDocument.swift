import Foundation
import Messages

/// A worker's description for people and for scripts.
struct WorkerDocument: Encodable {
    struct Model: Encodable {
        var id: String
        var hash: String
        var flow: String
        var width: Int
        var height: Int
        var steps: Int
        var iterations: Int
        var cfgScale: Float
    }

    struct Job: Encodable {
        var id: String
        var iteration: Int
        var iterations: Int
        var seconds: Double
    }

    struct Lane: Encodable {
        var name: String
        var weight: Int
        var shards: Int
    }

    var worker: String
    var version: String
    var state: String
    var device: String
    var slots: Int
    var uptimeSeconds: Double
    var jobsSucceeded: UInt64
    var jobsFailed: UInt64
    var maximumRequestBytes: UInt64
    var subjects: [String]
    var models: [Model]
    var jobs: [Job]
    var lanes: [Lane]

    init(_ reply: DescribeReply) {
        worker = reply.workerID
        version = reply.version
        state = "\(reply.state)"
        device = reply.device
        slots = reply.slots
        uptimeSeconds = reply.uptimeSeconds
        jobsSucceeded = reply.jobsSucceeded
        jobsFailed = reply.jobsFailed
        maximumRequestBytes = reply.maximumRequestBytes
        subjects = reply.subjects.map { "\($0)" }
        models = reply.models.map {
            Model(
                id: $0.id, hash: $0.hash, flow: "\($0.flow)", width: $0.width, height: $0.height, steps: $0.steps,
                iterations: $0.iterations, cfgScale: $0.cfgScale)
        }
        jobs = reply.jobs.map {
            Job(id: $0.jobID, iteration: $0.iteration, iterations: $0.iterations, seconds: $0.seconds)
        }
        lanes = reply.lanes.map { Lane(name: $0.name, weight: $0.weight, shards: $0.shards) }
    }

    /// Several lines, the worker's name first.
    ///
    /// Names come from other machines: control characters are shown as `?`.
    var text: String {
        var lines = [
            "\(worker)  \(state)  \(jobs.count) of \(slots) slots in use",
            "  version   \(version), up \(Self.time(uptimeSeconds)), on \(device)",
            "  done      \(jobsSucceeded) succeeded, \(jobsFailed) failed",
            "  limits    requests of up to \(maximumRequestBytes >> 20) MiB",
            "  subjects  \(subjects.joined(separator: ", "))",
        ]
        let weights = lanes.reduce(0) { $0 + $1.weight }
        for lane in lanes {
            lines.append(
                "  lane      \(lane.name)  \(lane.weight) of \(weights) jobs, "
                    + "\(lane.shards) \(lane.shards == 1 ? "shard" : "shards")")
        }
        for model in models {
            lines.append(
                "  model     \(model.id)  \(model.width)x\(model.height), \(model.flow) flow, \(model.steps) steps, "
                    + "\(model.iterations) iterations, cfg \(model.cfgScale)  \(model.hash.prefix(12))")
        }
        for job in jobs {
            lines.append(
                "  job       \(job.id)  iteration \(job.iteration) of \(job.iterations), \(Self.time(job.seconds))")
        }
        return lines.map(Self.printable).joined(separator: "\n")
    }

    private static func printable(_ line: String) -> String {
        String(
            String.UnicodeScalarView(line.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : $0 }))
    }

    private static func time(_ seconds: Double) -> String {
        let whole = Int(max(0, min(seconds, 1e9)))
        if whole < 60 { return "\(whole) s" }
        if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
        return whole < 86_400
            ? "\(whole / 3600) h \(whole % 3600 / 60) min" : "\(whole / 86_400) d \(whole % 86_400 / 3600) h"
    }
}
