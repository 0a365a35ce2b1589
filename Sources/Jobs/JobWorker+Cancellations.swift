import Broker
import Logging
import Messages
import RectifIDClient

/// Cancellations that were made while this worker did not listen: before it started, or while its connection was lost.
///
/// All are written to a stream, which keeps them for a day. A worker reads it before it takes its first job, and goes on
/// reading: after a reconnect the broker gives it the last day again. Cancellations that come on the worker's own queue
/// come here too, a moment earlier or later; the second changes nothing.
extension JobWorker {
    /// Reads the stream up to now, and returns who reads on; nil where there is none to read.
    func recallCancellations() async -> Consumer? {
        do throws(BrokerError) {
            return try await persist("cannot read the cancellations yet") { () async throws(BrokerError) in
                try await recallOnce()
            }
        } catch .cancelled {
            return nil
        } catch {
            // A user who may not read it.
            logStreamMissing(error)
            return nil
        }
    }

    private func recallOnce() async throws(BrokerError) -> Consumer? {
        let reader: Consumer
        do throws(BrokerError) {
            reader = try await broker.read(
                stream: configuration.pool.cancellationStream, since: Pool.cancellationLife, prefetch: 500)
        } catch .notFound where !configuration.declaresTopology {
            // A pool that was declared by an older version, and not by this worker.
            logStreamMissing(.notFound("there is no stream '\(configuration.pool.cancellationStream)'"))
            return nil
        }
        do throws(BrokerError) {
            try await recall(from: reader)
            return reader
        } catch {
            await reader.cancel()
            throw error
        }
    }

    private func logStreamMissing(_ error: BrokerError) {
        logger.error(
            "cannot know of jobs that were cancelled before the start; run: rectifid topology --declare",
            metadata: ["error": "\(error)"])
    }

    /// Reads until what this worker itself has just written: a stream has no mark for its end.
    private func recall(from reader: Consumer) async throws(BrokerError) {
        let mark = "\(configuration.workerID) \(UInt64.random(in: .min ... .max))"
        try await broker.publish(
            OutgoingMessage(MessageProperties(messageID: mark), body: []), exchange: "",
            routingKey: configuration.pool.cancellationStream)
        var count = 0
        var iterator = reader.makeAsyncIterator()
        while let delivery = try await iterator.next() {
            try? await broker.acknowledge(delivery)
            if delivery.properties.messageID == mark {
                logger.debug("cancellations read", metadata: ["count": "\(count)"])
                return
            }
            if note(delivery) { count += 1 }
        }
        throw .cancelled
    }

    /// Reads on for as long as the worker works.
    func listen(toCancellationsFrom first: Consumer?) async {
        var reader = first
        while let current = reader {
            var iterator = current.makeAsyncIterator()
            do throws(BrokerError) {
                while let delivery = try await iterator.next() {
                    try? await broker.acknowledge(delivery)
                    _ = note(delivery)
                }
            } catch {
                logger.warning("cancellations ended", metadata: ["error": "\(error)"])
            }
            await current.cancel()
            guard !Task.isCancelled, broker.state != .closed else { return }
            do { try await configuration.clock.sleep(for: .seconds(1)) } catch { return }
            reader = await recallCancellations()
        }
    }

    /// Takes a cancellation to heart without a reply; false where it is something else, such as a worker's mark.
    private func note(_ delivery: Delivery) -> Bool {
        guard delivery.properties.type == Wire.Method.cancel.rawValue,
            let request = try? CancelRequest.decode(delivery.body)
        else { return false }
        _ = jobs.cancel(request)
        return true
    }
}
