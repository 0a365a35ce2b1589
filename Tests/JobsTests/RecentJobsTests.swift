import Testing

@testable import Jobs

struct RecentJobsTests {
    @Test func theOldestAreForgottenWhereThereAreTooMany() {
        var notes = RecentJobs<Int>(.init(count: 1000, age: .seconds(60)))
        for index in 0..<100_000 { notes.note(index, on: "job-\(index)", at: 0) }
        #expect(notes.count == 1000)
        #expect(notes.note(on: "job-98999", at: 0) == nil && notes.note(on: "job-99000", at: 0) == 99_000)
    }

    @Test func notesEndWithTheirAgeAndStayWhenTheyAreRenewed() {
        var notes = RecentJobs<String>(.init(count: 10, age: .seconds(60)))
        notes.note("first", on: "a", at: 0)
        notes.note("only", on: "b", at: 1000)
        notes.note("second", on: "a", at: 30_000)
        #expect(notes.note(on: "b", at: 61_000) == "only" && notes.note(on: "b", at: 61_001) == nil)
        notes.note("new", on: "c", at: 61_001)
        #expect(notes.count == 2 && notes.note(on: "a", at: 61_001) == "second")
    }

    @Test func theHeaviestMayWeighNoMoreThanAll() {
        var notes = RecentJobs<Int>(.init(count: 100, bytes: 1000, age: .seconds(60)))
        for index in 0..<10 { notes.note(index, bytes: 400, on: "job-\(index)", at: 0) }
        #expect(notes.count == 2 && notes.bytes == 800)
        // What can never fit leaves the others, and nothing that was known of its job.
        notes.note(99, bytes: 1001, on: "job-9", at: 0)
        #expect(notes.count == 1 && notes.note(on: "job-9", at: 0) == nil && notes.note(on: "job-8", at: 0) == 8)
    }

    @Test func theSameJobNotedForeverTakesNoRoom() {
        var notes = RecentJobs<Int>(.init(count: 10, age: .seconds(1)))
        notes.note(0, on: "before", at: 99_999)
        for time in 0..<100_000 { notes.note(0, on: "same", at: Int64(time)) }
        #expect(notes.count == 2 && notes.remembered < 1000)
    }
}
