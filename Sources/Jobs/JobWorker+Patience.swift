import Broker
import Logging
import RectifIDClient

/// What a worker does about a broker that is away, or not yet as it should be: it waits for as long as that can pass by
/// itself, at its start as in the middle of its work. It ends only where somebody has to change something.
extension JobWorker {
    /// Calls until a call succeeds.
    ///
    /// - Parameter complaint: What to log while it does not.
    /// - Throws: `BrokerError.cancelled`, or what the broker says that waiting does not mend.
    func persist<Value: Sendable>(
        _ complaint: Logger.Message, _ call: () async throws(BrokerError) -> Value
    ) async throws(BrokerError) -> Value {
        var backoff = Self.callBackoff
        while true {
            do throws(BrokerError) {
                try await reachBroker()
                return try await call()
            } catch {
                try await outwait(error, &backoff, complaint)
            }
        }
    }

    static var callBackoff: Backoff { Backoff(initial: .milliseconds(200), maximum: .seconds(10)) }

    /// Waits until there is a connection.
    ///
    /// - Throws: `BrokerError.cancelled`, or why the broker does not let this worker in.
    func reachBroker() async throws(BrokerError) {
        for await state in broker.states {
            switch state {
            case .connected, .blocked: return
            case .disconnected(let error) where !error.isTransient: throw error
            case .connecting, .disconnected: continue
            case .closed: throw .closed
            }
        }
        throw .cancelled
    }

    /// Waits before the next try.
    ///
    /// - Throws: `error` where there is no use in trying.
    func outwait(
        _ error: BrokerError, _ backoff: inout Backoff, _ complaint: Logger.Message
    ) async throws(BrokerError) {
        let isPassing =
            switch error {
            // Deleted by somebody, or not declared yet: declared again by this worker, or by whoever does it here.
            case .notFound: true
            case .cancelled: !Task.isCancelled
            default: error.isTransient
            }
        guard isPassing else { throw error }
        var generator = SystemRandomNumberGenerator()
        let pause = backoff.next(using: &generator)
        logger.warning(complaint, metadata: ["error": "\(error)", "retry": "\(pause)"])
        if case .notFound = error, configuration.declaresTopology {
            try? await broker.declare(configuration.pool.topology)
        }
        do { try await configuration.clock.sleep(for: pause) } catch { throw .cancelled }
    }

    /// What the body gives; nil where the worker is to end before that.
    func untilDrained<Value: Sendable>(
        _ body: @escaping @Sendable () async throws(BrokerError) -> Value
    ) async throws(BrokerError) -> Value? {
        typealias Outcome = Result<Value, BrokerError>
        let outcome = await withTaskGroup(of: Outcome?.self) { group in
            group.addTask {
                do throws(BrokerError) { return .success(try await body()) } catch { return .failure(error) }
            }
            group.addTask { [slots] in
                await slots.closed()
                return nil
            }
            var outcome: Outcome?
            for await end in group {
                outcome = end ?? outcome
                group.cancelAll()
            }
            return outcome
        }
        if slots.isClosed, case .failure(.cancelled)? = outcome { return nil }
        return try outcome?.get()
    }
}
