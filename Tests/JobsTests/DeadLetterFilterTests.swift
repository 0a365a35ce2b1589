import Broker
import BrokerTestSupport
import Jobs
import Messages
import RectifIDClient
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(2)))
struct DeadLetterFilterTests {
    @Test func reasonsOfTheSameKindAreOneGroup() async throws {
        try await Stage.play(.inMemory) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            var request = try Sample.request()
            let body = request.encode()
            request.modelID = "other"
            let same = [
                "job-0001: the picture 'a.jpg' has 12 x 13 pixels; see references[0] and 9f3ac21b",
                "job-0002: the picture 'another, longer.png' has 640 x 480 pixels; see references[3] and 0a1b2c3d4e",
            ]
            for (index, reason) in same.enumerated() {
                try await stage.writeLetter(
                    "job-000\(index + 1)", reason: reason, time: Int64(index + 1) * 10_000, body: body, with: broker)
            }
            try await stage.writeLetter("job-0003", reason: "no face", body: body, with: broker)
            try await stage.writeLetter("job-0004", reason: "no face", body: request.encode(), with: broker)
            try await stage.writeLetter("job-0005", code: "UNAVAILABLE", reason: "no face", body: body, with: broker)
            try await stage.writeLetter("job-0006", reason: "no face", body: [1], with: broker)
            let queue = stage.letters(with: broker)
            let groups = try await queue.groups()
            #expect(groups.count == 5)
            let largest = groups[0]
            #expect(largest.pattern == "JOB: the picture '…' has N x N pixels; see references[N] and *")
            #expect(largest.count == 2 && largest.model == "default" && largest.size == 2 * body.count)
            #expect(largest.firstTime == 9000 && largest.lastTime == 20_000 && largest.exampleJob == "job-0002")
            #expect(Set(groups.map(\.model)) == ["default", "other", nil])
            // A group's id chooses its letters, and no others.
            for group in groups {
                var filter = DeadLetterFilter()
                filter.group = group.id
                #expect(try await queue.letters(filter).count == group.count)
            }
            await broker.close()
        }
    }

    @Test func conditionsChooseLetters() async throws {
        try await Stage.play(.inMemory) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            var request = try Sample.request()
            request.prompt = "A Lighthouse"
            request.modelID = "sd21"
            try await stage.writeLetter(
                "a", code: "NOT_FOUND", reason: "no Model", time: 1000, body: request.encode(),
                adjust: { $0.appID = "shop" }, with: broker)
            try await stage.writeLetter("b", time: 2000, body: Sample.request().encode(), with: broker)
            try await stage.writeLetter("c", with: broker)
            let queue = stage.letters(with: broker)
            func chosen(_ set: (inout DeadLetterFilter) -> Void) async throws -> [String] {
                var filter = DeadLetterFilter()
                set(&filter)
                return try await queue.letters(filter).map(\.jobID)
            }
            #expect(try await chosen { _ in } == ["a", "b", "c"])
            #expect(try await chosen { $0.code = "not_found" } == ["a"])
            #expect(try await chosen { $0.model = "sd21" } == ["a"])
            #expect(try await chosen { $0.model = "default" } == ["b"])
            #expect(try await chosen { $0.since = 2000 } == ["b"])
            #expect(try await chosen { $0.until = 1999 } == ["a"])
            #expect(try await chosen { ($0.since, $0.until) = (1000, 2000) } == ["a", "b"])
            #expect(try await chosen { $0.client = "SHOP" } == ["a"])
            #expect(try await chosen { $0.client = "nowhere" } == ["a", "b", "c"])
            #expect(try await chosen { $0.text = "lighthouse" } == ["a"])
            #expect(try await chosen { $0.text = "no model" } == ["a"])
            #expect(try await chosen { ($0.text, $0.code) = ("lighthouse", "INTERNAL") } == [])
            #expect(try await chosen { $0.jobs = ["c", "b"] } == ["b", "c"])
            await broker.close()
        }
    }

    @Test func lettersThatNobodyCanReadAreListedLikeOthers() async throws {
        try await Stage.play(.inMemory) { stage in
            let broker = try await stage.connect()
            try await broker.declare(stage.pool.topology)
            // No id, no headers, a header of every kind, times that no calendar has.
            try await broker.publish(
                OutgoingMessage(MessageProperties(), body: []), exchange: stage.pool.deadLetterExchange, routingKey: "")
            try await broker.publish(
                OutgoingMessage(MessageProperties(), body: [0]), exchange: stage.pool.deadLetterExchange, routingKey: ""
            )
            let strange: [String: HeaderValue] = [
                Wire.Header.earlierFailures: [1, "x", ["code": 5], .null], Wire.Header.retryCount: .int64(.min),
                "x-death": ["no table", ["queue": 1]], "rectifid-attempt": .int64(.max), "nested": [[["deep": 1.5]]],
            ]
            try await stage.writeLetter("s", headers: strange, adjust: { $0.timestamp = .max }, with: broker)
            let queue = stage.letters(with: broker)
            let letters = try await queue.letters()
            #expect(letters.map(\.jobID) == ["(none)", "(none)", "s"] && letters.map(\.header.code)[0] == "UNKNOWN")
            #expect(Set(letters.map(\.id)).count == 3 && letters[2].history.retryCount == 0)
            // By its own id one of them can be chosen.
            #expect(try await queue.select(.jobs([letters[1].id])).entries.map(\.letterID) == [letters[1].id])
            #expect(try await queue.retry(.all).done.count == 3)
            await broker.close()
        }
    }
}
