public import Broker
public import Testing

/// Asks until it is so; the test's time limit ends what never becomes so.
public func eventually(_ condition: () async throws -> Bool) async throws {
    while !(try await condition()) { try await Task.sleep(for: .milliseconds(2)) }
}

extension Broker {
    /// Waits until this many messages are ready in a queue.
    public func wait(for count: Int, in queue: String) async throws {
        try await eventually { try await depth(of: queue).messages == count }
    }

    /// Waits until the connection is as wanted; looks at what it is now first.
    public func reaches(_ isWanted: @Sendable (BrokerState) -> Bool) async -> Bool {
        for await state in states where isWanted(state) { return true }
        return false
    }

    public func isLost() async -> Bool {
        await reaches { if case .disconnected = $0 { true } else { false } }
    }

    public func isBack() async -> Bool { await reaches { $0 == .connected } }

    /// Removes what was declared on a node that others use too.
    public func remove(_ topology: Topology) async throws {
        for queue in topology.queues { try await delete(queue: queue.name) }
        for exchange in topology.exchanges { try await delete(exchange: exchange.name) }
    }
}

/// The broker error that a piece of code throws; records an issue where it throws none or another.
public func failure(
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
) async -> BrokerError? {
    do {
        try await body()
        Issue.record("nothing was thrown", sourceLocation: sourceLocation)
    } catch let error as BrokerError {
        return error
    } catch {
        Issue.record("unexpected: \(error)", sourceLocation: sourceLocation)
    }
    return nil
}
