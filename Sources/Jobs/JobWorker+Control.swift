import Broker
import Logging
import Messages
import RectifIDClient

extension JobWorker {
    /// Declares the worker's own queue on the control exchange and subscribes to it.
    func subscribeToControl() async throws(BrokerError) -> Consumer {
        let (pool, id) = (configuration.pool, configuration.workerID)
        do throws(BrokerError) {
            try await broker.declare(pool.controlTopology(ofWorker: id))
        } catch .notFound {
            // A pool that was declared by an older version; there is a warning where its stream is looked for.
            try await broker.declare(pool.controlTopology(ofWorker: id, hearsCancellations: false))
        }
        return try await broker.consume(queue: pool.controlQueue(ofWorker: id), prefetch: 8)
    }

    /// Answers what all workers are asked: to cancel a job, to describe themselves.
    func listen(to first: Consumer) async {
        var consumer: Consumer? = first
        while !Task.isCancelled, broker.state != .closed {
            if let consumer {
                await answerAll(from: consumer)
                await consumer.cancel()
            }
            guard !Task.isCancelled else { return }
            // Somebody has deleted the queue; a worker that cannot be told to stop a job should not stay so.
            logger.warning("subscribing to control messages again")
            do { try await configuration.clock.sleep(for: .seconds(1)) } catch { return }
            consumer = try? await subscribeToControl()
        }
    }

    private func answerAll(from consumer: Consumer) async {
        var iterator = consumer.makeAsyncIterator()
        do throws(BrokerError) {
            while let delivery = try await iterator.next() { await answer(delivery) }
        } catch {
            logger.warning("control messages ended", metadata: ["error": "\(error)"])
        }
    }

    private func answer(_ delivery: Delivery) async {
        let reply = reply(to: delivery)
        // First, so that a reply that cannot be sent is not asked for again.
        try? await broker.acknowledge(delivery)
        let address = ReplyAddress(delivery.properties)
        guard let (type, body) = reply, let queue = address.queue else { return }
        let properties = MessageProperties(
            contentType: Wire.contentType, type: type, messageID: delivery.properties.messageID,
            correlationID: address.correlationID, timestamp: configuration.wallTime.read() / 1000,
            headers: address.trace)
        do {
            try await broker.publish(
                OutgoingMessage(properties, body: body), exchange: "", routingKey: queue, mandatory: true,
                timeLimit: .seconds(10))
        } catch {
            logger.debug("control reply not delivered", metadata: ["error": "\(error)"])
        }
    }

    private func reply(to delivery: Delivery) -> (type: String, body: [UInt8])? {
        do throws(MessageError) {
            switch delivery.properties.type {
            case Wire.Method.cancel.rawValue:
                let request = try CancelRequest.decode(delivery.body)
                let (outcome, iteration) = jobs.cancel(request)
                logger.info(
                    "cancellation", metadata: ["job": "\(request.jobID)", "outcome": "\(outcome)"])
                return (
                    CancelReply.typeName,
                    CancelReply(
                        jobID: request.jobID, outcome: outcome, workerID: configuration.workerID, iteration: iteration
                    ).encode()
                )
            case Wire.Method.describe.rawValue:
                let request = try DescribeRequest.decode(delivery.body)
                guard request.workerID == nil || request.workerID == configuration.workerID else { return nil }
                return (DescribeReply.typeName, description.encode())
            default:
                logger.warning("unknown control message", metadata: ["type": "\(delivery.properties.type ?? "")"])
            }
        } catch {
            logger.warning("bad control message", metadata: ["error": "\(error)"])
        }
        return nil
    }

    /// The answer to Describe.
    private var description: DescribeReply {
        let health = health
        return DescribeReply(
            workerID: configuration.workerID, version: configuration.version, state: health.state,
            device: personalizer.device, slots: max(configuration.slots, 1), jobs: health.jobs,
            models: personalizer.models, subjects: personalizer.subjects,
            uptimeSeconds: start.duration(to: .now).inSeconds, jobsSucceeded: health.counts.succeeded,
            jobsFailed: health.counts.failed, maximumRequestBytes: UInt64(configuration.messageLimits.maximumBytes),
            lanes: served.lanes)
    }
}
