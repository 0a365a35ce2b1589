import Foundation

/// What worker processes wrote down, against what was done to them.
struct SoakJournal {
    /// Something that may lose an acknowledgement on its way.
    struct Fault: Sendable {
        /// On the monotonic clock, in milliseconds.
        var start: Int
        var end: Int
        /// The process that was killed; nil: all are concerned.
        var pid: pid_t?
    }

    private struct Line {
        var time: Int
        var pid: pid_t
        var isBegin: Bool
        var job: Substring
    }

    private let lines: [Line]

    init(_ path: String) throws {
        lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard words.count == 4, let time = Int(words[0]), let pid = pid_t(words[1]) else { return nil }
            return Line(time: time, pid: pid, isBegin: words[2] == "begin", job: words[3])
        }
    }

    /// The monotonic clock in milliseconds, as workers read it.
    static var now: Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }

    /// Times that a worker began some job's guidance.
    var executions: Int { lines.count { $0.isBegin } }

    /// Jobs begun after a worker had their reply confirmed and their request acknowledged, though nothing happened that
    /// could have lost the acknowledgement.
    func needless(faults: [Fault]) -> [String] {
        var done: [Substring: Line] = [:]
        var needless: [String] = []
        for line in lines.sorted(by: { $0.time < $1.time }) {
            if !line.isBegin {
                done[line.job] = line
            } else if let end = done[line.job] {
                // A worker hands an acknowledgement to its connection; within a second the broker has written it.
                let isExcused = faults.contains {
                    ($0.pid == nil || $0.pid == end.pid) && $0.start < end.time + 1000 && $0.end > end.time - 100
                }
                if !isExcused { needless.append("\(line.job) at \(line.time), done at \(end.time)") }
            }
        }
        return needless
    }
}
