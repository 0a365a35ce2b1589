/// The node's exchanges, queues and unsettled messages.
struct InMemoryRouting {
    var now = Duration.zero
    var exchanges: [String: Exchange] = [:]
    var bindings: [Binding] = []
    var queues: [String: InMemoryQueue] = [:]
    var consumers: [UInt64: InMemoryConsumer] = [:]
    var unsettled: [Receipt: InMemoryUnsettled] = [:]
    /// What each connection declares again.
    var remembered: [UInt64: [ClientMethod]] = [:]
    private var nextSequence: UInt64 = 1
    private var scheduledExpiry: Duration?

    // MARK: Declaring

    mutating func declare(_ step: ClientMethod, by connection: UInt64) throws(BrokerError) {
        switch step {
        case .declareExchange(let exchange):
            if let existing = exchanges[exchange.name], existing != exchange {
                throw .preconditionFailed("PRECONDITION_FAILED - inequivalent arg for exchange '\(exchange.name)'")
            }
            exchanges[exchange.name] = exchange
        case .declareQueue(let queue, let arguments): try declare(queue, arguments, by: connection)
        case .bind(let binding):
            guard exchanges[binding.exchange] != nil else { throw Self.missing("exchange", binding.exchange) }
            _ = try queue(binding.queue, for: connection)
            if !bindings.contains(binding) { bindings.append(binding) }
        default: break
        }
        if remembered[connection]?.contains(step) != true { remembered[connection, default: []].append(step) }
    }

    private mutating func declare(
        _ queue: Queue, _ arguments: [String: HeaderValue], by connection: UInt64
    ) throws(BrokerError) {
        if queue.kind != .classic, queue.isExclusive || queue.isAutoDelete || !queue.isDurable {
            throw .preconditionFailed(
                "PRECONDITION_FAILED - invalid property for \(queue.kind.rawValue) queue '\(queue.name)': it must be "
                    + "durable and shared")
        }
        if let limit = queue.deliveryLimit, limit < 0 {
            throw .preconditionFailed("PRECONDITION_FAILED - invalid delivery limit for queue '\(queue.name)'")
        }
        if let existing = queues[queue.name] {
            _ = try self.queue(queue.name, for: connection)
            let isSame =
                existing.arguments == arguments && existing.declaration.isDurable == queue.isDurable
                && existing.declaration.isAutoDelete == queue.isAutoDelete
                && existing.declaration.isExclusive == queue.isExclusive
            guard isSame else {
                throw .preconditionFailed("PRECONDITION_FAILED - inequivalent arg for queue '\(queue.name)'")
            }
            return
        }
        queues[queue.name] = InMemoryQueue(
            declaration: queue, arguments: arguments, owner: queue.isExclusive ? connection : nil)
    }

    /// A queue that the connection may use.
    func queue(_ name: String, for connection: UInt64) throws(BrokerError) -> InMemoryQueue {
        guard let queue = queues[name] else { throw Self.missing("queue", name) }
        guard queue.owner == nil || queue.owner == connection else {
            throw .resourceLocked("RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '\(name)'")
        }
        return queue
    }

    static func missing(_ kind: String, _ name: String) -> BrokerError {
        .notFound("NOT_FOUND - no \(kind) '\(name)' in vhost '/'")
    }

    /// Deletes a queue; consumers whose connection declares it again stay, the others end.
    mutating func delete(queue name: String) {
        guard let queue = queues.removeValue(forKey: name) else { return }
        bindings.removeAll { $0.queue == name }
        unsettled = unsettled.filter { $0.value.queue != name }
        for id in queue.consumers {
            guard let consumer = consumers[id] else { continue }
            let steps = (remembered[consumer.connection] ?? []).filter { $0.concerns(queue: name) }
            for step in steps { try? declare(step, by: consumer.connection) }
            if queues[name] == nil {
                consumers[id] = nil
                consumer.buffer.finish(.consumerCancelled(queue: name))
            } else {
                attach(id, to: name)
            }
        }
    }

    mutating func attach(_ consumer: UInt64, to queue: String) {
        queues[queue]?.consumers.append(consumer)
        queues[queue]?.hadConsumers = true
        consumers[consumer]?.unsettled = 0
        if let age = consumers[consumer]?.age, let log = queues[queue]?.log {
            consumers[consumer]?.position = log.offset(at: now - age)
        }
        consumers[consumer]?.epoch = Receipt.nextEpoch()
        dispatch(queue)
    }

    mutating func detach(_ id: UInt64) {
        guard let consumer = consumers.removeValue(forKey: id) else { return }
        queues[consumer.queue]?.consumers.removeAll { $0 == id }
        if let queue = queues[consumer.queue], queue.declaration.isAutoDelete, queue.consumers.isEmpty {
            delete(queue: consumer.queue)
        }
    }

    // MARK: Routing

    mutating func publish(
        _ message: OutgoingMessage, exchange: String, routingKey: String, mandatory: Bool
    ) throws(BrokerError) {
        guard exchange.isEmpty || exchanges[exchange] != nil else { throw Self.missing("exchange", exchange) }
        let targets = targets(exchange: exchange, routingKey: routingKey)
        if targets.isEmpty {
            if mandatory { throw .unroutable(exchange: exchange, routingKey: routingKey) }
            return
        }
        var isRefused = false
        for name in targets {
            isRefused = !enqueue(message, exchange: exchange, routingKey: routingKey, in: name) || isRefused
        }
        if isRefused { throw .refused(exchange: exchange, routingKey: routingKey) }
    }

    private func targets(exchange name: String, routingKey: String) -> [String] {
        if name.isEmpty { return queues[routingKey] == nil ? [] : [routingKey] }
        guard let exchange = exchanges[name] else { return [] }
        let matching = bindings.filter { binding in
            guard binding.exchange == name else { return false }
            return switch exchange.kind {
            case .direct: binding.routingKey == routingKey
            case .fanout: true
            case .topic: TopicPattern(binding.routingKey).matches(routingKey)
            }
        }
        return Set(matching.map(\.queue)).sorted()
    }

    /// False where a full queue refuses the message.
    private mutating func enqueue(
        _ message: OutgoingMessage, exchange: String, routingKey: String, in name: String
    ) -> Bool {
        guard let declaration = queues[name]?.declaration else { return true }
        if queues[name]?.isFull == true {
            if declaration.overflow == .rejectPublish { return false }
            if let head = queues[name]?.ready.removeFirst() { bury(head, from: name, "maxlen") }
        }
        if declaration.kind == .stream {
            let entry = InMemoryEntry(
                message: message, exchange: exchange, routingKey: routingKey, sequence: nextSequence)
            nextSequence += 1
            queues[name]?.log.append(entry, at: now, limits: declaration)
            dispatch(name)
            return true
        }
        let limits = [declaration.messageTTL, message.properties.expiration].compactMap { $0 }
        queues[name]?.ready.append(
            InMemoryEntry(
                message: message, exchange: exchange, routingKey: routingKey, sequence: nextSequence,
                expiresAt: limits.min().map { now + $0 }))
        nextSequence += 1
        dispatch(name)
        return true
    }

    /// Sends a message to the queue's dead-letter exchange; without one it is gone.
    ///
    /// - Returns: False where a full queue refuses it.
    @discardableResult
    private mutating func bury(_ entry: InMemoryEntry, from name: String, _ reason: String) -> Bool {
        guard let declaration = queues[name]?.declaration, let exchange = declaration.deadLetterExchange else {
            return true
        }
        let message = entry.dead(in: name, reason: reason, seconds: now.components.seconds)
        let key = declaration.deadLetterRoutingKey ?? entry.routingKey
        let deaths = message.properties.headers["x-death"]?.arrayValue ?? []
        let isRejected = deaths.contains { $0.tableValue?["reason"] == "rejected" }
        var isTaken = true
        for target in targets(exchange: exchange, routingKey: key) {
            // A cycle that nobody's decision is part of would go on for ever: the message is dropped.
            let isCycle = !isRejected && deaths.contains { $0.tableValue?["queue"] == .string(target) }
            if !isCycle { isTaken = enqueue(message, exchange: exchange, routingKey: key, in: target) && isTaken }
        }
        return isTaken
    }

    // MARK: Delivering

    /// Gives waiting messages to consumers that may have more.
    mutating func dispatch(_ name: String) {
        if queues[name]?.declaration.kind == .stream { return dispatchStream(name) }
        expire(name)
        // No copy of the queue is held here: changing it would copy all that waits.
        while let turn = queues[name]?.consumers.firstIndex(where: { isWilling($0) }),
            let id = queues[name]?.consumers[turn], let consumer = consumers[id],
            let entry = queues[name]?.ready.removeFirst(), let declaration = queues[name]?.declaration
        {
            queues[name]?.consumers.remove(at: turn)
            queues[name]?.consumers.append(id)
            consumers[id]?.unsettled += 1
            let delivery = handOut(
                entry, from: declaration, connection: consumer.connection, consumer: id, epoch: consumer.epoch)
            _ = consumer.buffer.push(delivery)
        }
    }

    /// Gives every reader of a stream what it may have and has not had.
    private mutating func dispatchStream(_ name: String) {
        guard let queue = queues[name] else { return }
        for id in queue.consumers {
            while let consumer = consumers[id], isWilling(id), consumer.position < queue.log.end {
                let offset = max(consumer.position, queue.log.start)
                consumers[id]?.position = offset + 1
                consumers[id]?.unsettled += 1
                var delivery = handOut(
                    queue.log[offset], from: queue.declaration, connection: consumer.connection, consumer: id,
                    epoch: consumer.epoch)
                delivery.properties.headers["x-stream-offset"] = .int64(Int64(offset))
                _ = consumer.buffer.push(delivery)
            }
        }
    }

    private func isWilling(_ id: UInt64) -> Bool {
        consumers[id].map { $0.unsettled < $0.prefetch } ?? false
    }

    /// Takes one message out of turn.
    mutating func get(_ name: String, by connection: UInt64, epoch: UInt64) throws(BrokerError) -> Delivery? {
        let declaration = try queue(name, for: connection).declaration
        guard declaration.kind != .stream else {
            throw .failed(code: 540, text: "NOT_IMPLEMENTED - basic.get not supported by stream queues")
        }
        guard let entry = queues[name]?.ready.removeFirst() else { return nil }
        return handOut(entry, from: declaration, connection: connection, consumer: nil, epoch: epoch)
    }

    private mutating func handOut(
        _ entry: InMemoryEntry, from queue: Queue, connection: UInt64, consumer: UInt64?, epoch: UInt64
    ) -> Delivery {
        let receipt = Receipt(channelEpoch: epoch, deliveryTag: nextSequence)
        nextSequence += 1
        unsettled[receipt] = InMemoryUnsettled(
            entry: entry, queue: queue.name, connection: connection, consumer: consumer)
        var properties = entry.message.properties
        if queue.kind == .quorum {
            properties.headers["x-delivery-count"] = .int64(Int64(entry.deliveryCount))
        }
        return Delivery(
            properties: properties, body: entry.message.body, omittedBodySize: nil, exchange: entry.exchange,
            routingKey: entry.routingKey, queue: queue.name, isRedelivered: entry.isRedelivered,
            receipt: receipt)
    }

    // MARK: Settling

    mutating func settle(_ receipt: Receipt, _ settlement: ConsumeRole.Settlement) throws(BrokerError) {
        guard let delivered = unsettled.removeValue(forKey: receipt) else { throw .staleDelivery }
        if let consumer = delivered.consumer { consumers[consumer]?.unsettled -= 1 }
        let isOfStream = queues[delivered.queue]?.declaration.kind == .stream
        switch settlement {
        case .reject where isOfStream, .release where isOfStream: break
        case .acknowledge: break
        case .reject(requeue: false): bury(delivered.entry, from: delivered.queue, "rejected")
        case .reject(requeue: true), .release: takeBack([delivered], to: delivered.queue)
        }
        dispatch(delivered.queue)
    }

    /// Puts messages of a queue back, in their order, or buries those that have come back too often.
    private mutating func takeBack(_ delivered: [InMemoryUnsettled], to name: String) {
        guard let queue = queues[name]?.declaration, queue.kind != .stream else { return }
        var entries: [InMemoryEntry] = []
        for var entry in delivered.map(\.entry) {
            if queue.kind == .quorum { entry.deliveryCount += 1 }
            if queue.kind == .quorum, let limit = queue.deliveryLimit, entry.deliveryCount > limit {
                bury(entry, from: name, "delivery_limit")
            } else {
                entries.append(entry)
            }
        }
        queues[name]?.putBack(entries)
    }

    /// Takes back everything that a connection has not settled and ends its exclusive queues.
    mutating func dropConnection(_ connection: UInt64) {
        let lost = unsettled.filter { $0.value.connection == connection }
        for receipt in lost.keys { unsettled[receipt] = nil }
        for consumer in consumers.values where consumer.connection == connection {
            queues[consumer.queue]?.consumers.removeAll { $0 == consumer.id }
        }
        for (name, delivered) in Dictionary(grouping: lost.values, by: \.queue).sorted(by: { $0.key < $1.key }) {
            takeBack(delivered.sorted { $0.entry.sequence < $1.entry.sequence }, to: name)
        }
        for (name, queue) in queues where queue.owner == connection {
            queues[name] = nil
            bindings.removeAll { $0.queue == name }
        }
        for name in queues.keys.sorted() { dispatch(name) }
    }

    // MARK: Expiry

    /// Buries what has waited too long; as in RabbitMQ only the head of a queue is looked at.
    mutating func expire() {
        for name in queues.keys.sorted() { expire(name) }
    }

    private mutating func expire(_ name: String) {
        while let head = queues[name]?.ready.first, let expiresAt = head.expiresAt, expiresAt <= now {
            queues[name]?.ready.removeFirst()
            let isTaken = bury(head, from: name, "expired")
            // What is refused stays, and is tried again whenever something happens.
            guard !isTaken, queues[name]?.declaration.deadLetterStrategy == .atLeastOnce else { continue }
            queues[name]?.ready.putBack(head)
            return
        }
    }

    /// The next expiry, where no timer is set for it yet.
    mutating func expiryToSchedule() -> Duration? {
        let next = queues.values.compactMap { $0.ready.first?.expiresAt }.filter { $0 > now }.min()
        guard let next, scheduledExpiry.map({ next < $0 }) ?? true else { return nil }
        scheduledExpiry = next
        return next
    }

    mutating func timerFired(_ expiry: Duration) {
        if scheduledExpiry == expiry { scheduledExpiry = nil }
    }
}

extension ClientMethod {
    /// Whether a declaration is needed for a queue.
    func concerns(queue name: String) -> Bool {
        switch self {
        case .declareQueue(let declared, _): declared.name == name
        case .bind(let binding): binding.queue == name
        default: false
        }
    }
}
