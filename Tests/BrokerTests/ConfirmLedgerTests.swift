import Testing

@testable import Broker

@Suite struct ConfirmLedgerTests {
    @Test func `Tags count from one and settle one by one in any order`() {
        var ledger = ConfirmLedger<String>()
        #expect(["a", "b", "c"].map { ledger.append($0) } == [1, 2, 3])
        #expect(ledger.settle(2, multiple: false) == ["b"])
        #expect(ledger.settle(2, multiple: false) == [])
        #expect(ledger.settle(1, multiple: false) == ["a"])
        #expect(ledger[3] == "c" && ledger.count == 1)
    }

    @Test func `A multiple confirm settles all up to its tag in order, without those settled before`() {
        var ledger = ConfirmLedger<Int>()
        for value in 1...6 { _ = ledger.append(value) }
        _ = ledger.settle(2, multiple: false)
        #expect(ledger.settle(4, multiple: true) == [1, 3, 4])
        #expect(ledger.settle(4, multiple: true) == [])
        #expect(ledger.settle(0, multiple: true) == [5, 6])
        #expect(ledger.isEmpty)
    }

    @Test func `Tags never given are ignored`() {
        var ledger = ConfirmLedger<Int>()
        _ = ledger.append(1)
        #expect(ledger.settle(99, multiple: false) == [])
        #expect(ledger.settle(.max, multiple: true) == [1])
        #expect(ledger.append(2) == 2)
        #expect(ledger.settle(2, multiple: true) == [2])
    }

    @Test func `Draining keeps the order and begins again`() {
        var ledger = ConfirmLedger<Int>()
        for value in 1...50 { _ = ledger.append(value) }
        _ = ledger.settle(10, multiple: false)
        #expect(ledger.drain() == Array(1...9) + Array(11...50))
        #expect(ledger.append(7) == 1)
    }
}

@Suite struct BackoffTests {
    @Test func `Waiting times double up to the maximum, between half and all of it`() {
        var backoff = Backoff(initial: .milliseconds(100), maximum: .seconds(1))
        var random = SystemRandomNumberGenerator()
        for ceiling in [100, 200, 400, 800, 1000, 1000].map(Duration.milliseconds) {
            #expect(backoff.ceiling == ceiling)
            let wait = backoff.next(using: &random)
            #expect(wait >= ceiling / 2 && wait <= ceiling)
        }
        for _ in 0..<1000 { _ = backoff.next(using: &random) }
        #expect(backoff.ceiling == .seconds(1))
        backoff.reset()
        #expect(backoff.ceiling == .milliseconds(100))
    }
}
