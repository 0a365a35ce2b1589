public import Broker

extension Pool {
    /// What a dead-letter queue lets its messages be given back.
    ///
    /// As good as no limit, and yet a number. Without one, RabbitMQ 4 takes 20, so that the twentieth look at a dead
    /// letter would delete it; -1 would do there, but makes RabbitMQ 3.10 delete at the first look. And with a limit a
    /// message that is given back keeps its place, while without one it goes to the end of the queue (RabbitMQ, "Quorum
    /// Queues", repeated requeues).
    static let deadLetterReturns = Int(Int32.max)

    /// All exchanges, queues and bindings of the pool, except what each worker and client declares for itself.
    public var topology: Topology {
        var topology = Topology()
        addWork(to: &topology)
        for delay in retryDelays { addRetry(after: delay, to: &topology) }
        topology.exchanges.append(Exchange(deadLetterExchange, kind: .fanout))
        topology.queues.append(Queue(deadLetterQueue, deliveryLimit: Self.deadLetterReturns))
        topology.bindings.append(Binding(exchange: deadLetterExchange, queue: deadLetterQueue, routingKey: ""))
        addBinAndAudit(to: &topology)
        topology.exchanges.append(Exchange(controlExchange, kind: .fanout))
        addCancellations(to: &topology)
        return topology
    }

    /// How long a discarded dead letter can be restored.
    public static let binRetention = Duration.seconds(7 * 86_400)
    /// How long a record of what an operator did is kept; the broker takes at most 49 days.
    public static let auditRetention = Duration.seconds(45 * 86_400)

    private func addBinAndAudit(to topology: inout Topology) {
        topology.exchanges.append(Exchange(deadLetterBin, kind: .fanout))
        topology.queues.append(
            Queue(deadLetterBin, deliveryLimit: Self.deadLetterReturns, messageTTL: Self.binRetention))
        topology.bindings.append(Binding(exchange: deadLetterBin, queue: deadLetterBin, routingKey: ""))
        // A full audit drops its oldest record rather than keep an operator from working.
        topology.queues.append(
            Queue(
                auditQueue, deliveryLimit: Self.deadLetterReturns, messageTTL: Self.auditRetention,
                maximumLength: 10_000, maximumBytes: 256 << 20, overflow: .dropHead))
    }

    private func addWork(to topology: inout Topology) {
        topology.exchanges.append(Exchange(workExchange, kind: .direct))
        for queue in workQueues {
            topology.queues.append(
                Queue(
                    workQueue(queue), deliveryLimit: deliveryLimit, maximumLength: maximumLength,
                    maximumBytes: maximumBytes,
                    // At-least-once dead lettering needs this overflow; it falls back silently without.
                    overflow: .rejectPublish, deadLetterExchange: deadLetterExchange,
                    deadLetterStrategy: .atLeastOnce))
            topology.bindings.append(
                Binding(exchange: workExchange, queue: workQueue(queue), routingKey: queue.routingKey))
        }
    }

    private func addRetry(after delay: Duration, to topology: inout Topology) {
        let name = retryExchange(delay)
        topology.exchanges.append(Exchange(name, kind: .fanout))
        topology.queues.append(
            Queue(
                name, messageTTL: delay, overflow: .rejectPublish, deadLetterExchange: workExchange,
                deadLetterStrategy: .atLeastOnce))
        topology.bindings.append(Binding(exchange: name, queue: name, routingKey: ""))
    }

    /// A stream, since every worker is to read all of it.
    ///
    /// Some 100,000 cancellations of usual size fit; a full one forgets the oldest, and those older than a day, by
    /// segments.
    private func addCancellations(to topology: inout Topology) {
        topology.exchanges.append(Exchange(cancelExchange, kind: .fanout))
        topology.queues.append(
            Queue(
                cancellationStream, kind: .stream, maximumBytes: 32_000_000, maximumAge: Self.cancellationLife,
                segmentBytes: 1_000_000))
        topology.bindings.append(Binding(exchange: cancelExchange, queue: cancellationStream, routingKey: ""))
    }

    /// The queue on which a worker hears ``controlExchange`` and ``cancelExchange``; it lives as long as the worker's
    /// connection.
    ///
    /// - Parameter hearsCancellations: False for a pool without ``cancelExchange``, which older versions declared.
    package func controlTopology(ofWorker id: String, hearsCancellations: Bool = true) -> Topology {
        let queue = controlQueue(ofWorker: id)
        return Topology(
            queues: [
                Queue(
                    queue, kind: .classic, isDurable: false, isExclusive: true, isAutoDelete: true,
                    messageTTL: .seconds(60))
            ],
            bindings: (hearsCancellations ? [controlExchange, cancelExchange] : [controlExchange]).map {
                Binding(exchange: $0, queue: queue, routingKey: "")
            })
    }

    /// Compares the broker with ``topology``: what is missing or different, one line each; nothing where all is well.
    ///
    /// Queues are looked at first, one by one, so that a missing one is reported and not made. Then everything is
    /// declared, which the broker refuses where arguments differ.
    public func findings(on broker: some Broker) async throws(BrokerError) -> [String] {
        var findings: [String] = []
        for queue in topology.queues {
            do {
                _ = try await broker.depth(of: queue.name)
            } catch .notFound {
                findings.append("queue \(queue.name) is missing")
            }
        }
        guard findings.isEmpty else { return findings }
        for queue in topology.queues {
            do {
                try await broker.declare(Topology(queues: [queue]))
            } catch .preconditionFailed(let text) {
                findings.append("queue \(queue.name) has other arguments: \(text)")
            }
        }
        for exchange in topology.exchanges {
            do {
                try await broker.declare(Topology(exchanges: [exchange]))
            } catch .preconditionFailed(let text) {
                findings.append("exchange \(exchange.name) is of another kind: \(text)")
            }
        }
        return findings
    }
}
