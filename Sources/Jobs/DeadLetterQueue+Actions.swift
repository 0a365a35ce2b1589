public import Broker
import Logging
import Messages
import RectifIDClient

/// What an operator does to letters.
///
/// In every case a letter is published where it goes, that is confirmed, and only then it is removed: a crash between
/// the two leaves it in both places, never in none. The audit has a record before the first letter moves and one after
/// the last.
extension DeadLetterQueue {
    /// Sends letters back to their lanes, with attempts and deadline reset, and their failure kept in their history.
    ///
    /// Of several letters of one job only the first is sent; the others stay, with a reason.
    ///
    /// - Throws: `BrokerError`; what is not sent by then stays a dead letter.
    @discardableResult
    public func retry(
        _ selection: DeadLetterSelection, _ plan: DeadLetterPlan = DeadLetterPlan()
    ) async throws(BrokerError) -> DeadLetterOutcome {
        try await move(selection, "retry", plan, oncePerJob: true) { letter, delivery in
            work(letter, delivery.properties, body: delivery.body, action: "retry", plan: plan, editedFields: [])
        }
    }

    /// Sends the letters that match now back to their lanes.
    @discardableResult
    public func retry(
        _ filter: DeadLetterFilter, _ plan: DeadLetterPlan = DeadLetterPlan()
    ) async throws(BrokerError) -> DeadLetterOutcome {
        try await retry(select(filter), plan)
    }

    /// Sends letters back to their lanes with another request in each.
    ///
    /// The job keeps its id, so that its client gets the answer, and its history says which fields were changed. A state
    /// to go on from is left out: it belongs to the request as it was.
    @discardableResult
    public func edit(
        _ selection: DeadLetterSelection, _ edit: DeadLetterEdit, _ plan: DeadLetterPlan = DeadLetterPlan()
    ) async throws(BrokerError) -> DeadLetterOutcome {
        try await move(selection, "edit", plan, oncePerJob: true) { letter, delivery in
            do throws(MessageError) {
                let edited = try edit.apply(to: DeadLetterBody(delivery).request.get())
                return work(
                    letter, delivery.properties, body: edited.request.encode(), action: "edit", plan: plan,
                    editedFields: edited.changes.map(\.field))
            } catch {
                return .failure(.init("\(error)"))
            }
        }
    }

    /// Moves letters to the bin, from where ``restore(_:_:)`` brings them back for ``Pool/binRetention``.
    @discardableResult
    public func discard(
        _ selection: DeadLetterSelection, _ plan: DeadLetterPlan = DeadLetterPlan()
    ) async throws(BrokerError) -> DeadLetterOutcome {
        try await move(selection, "discard", plan) { letter, delivery in
            var properties = preserved(letter, delivery.properties)
            properties.headers[Wire.Header.discardOperator] = .string(operatorName)
            properties.headers[Wire.Header.discardTime] = .int64(wallTime.read())
            return .success(
                Departure(properties, delivery.body, exchange: pool.deadLetterBin, routingKey: delivery.routingKey))
        }
    }

    /// Moves letters from the bin back to the dead letters; call it on the bin.
    @discardableResult
    public func restore(
        _ selection: DeadLetterSelection, _ plan: DeadLetterPlan = DeadLetterPlan()
    ) async throws(BrokerError) -> DeadLetterOutcome {
        try await move(selection, "restore", plan) { letter, delivery in
            var properties = preserved(letter, delivery.properties)
            properties.headers[Wire.Header.discardOperator] = nil
            properties.headers[Wire.Header.discardTime] = nil
            return .success(
                Departure(
                    properties, delivery.body, exchange: pool.deadLetterExchange, routingKey: delivery.routingKey))
        }
    }

    /// A letter as a fresh job.
    private func work(
        _ letter: DeadLetter, _ original: MessageProperties, body: [UInt8], action: String, plan: DeadLetterPlan,
        editedFields: [String]
    ) -> Result<Departure, Refusal> {
        var properties = original.forRepublishing
        var history = letter.history
        history.add(
            letter, action: action, operatorName: operatorName, time: wallTime.read(), editedFields: editedFields)
        DeadLetterHeader.remove(from: &properties.headers)
        for name in [Wire.Header.deathTrail, Wire.Header.discardOperator, Wire.Header.discardTime] {
            properties.headers[name] = nil
        }
        history.write(to: &properties.headers)
        properties.headers[Wire.Header.due] = .int64(wallTime.read())
        if let replyTo = plan.replyTo { properties.replyTo = replyTo }
        return .success(
            Departure(
                properties, body, exchange: pool.workExchange, routingKey: letter.workQueue.routingKey,
                otherwise: letter.lane.rawValue))
    }

    /// A letter's properties for another queue, with what only the broker's own headers said.
    private func preserved(_ letter: DeadLetter, _ original: MessageProperties) -> MessageProperties {
        var properties = original.forRepublishing
        if let trail = original.headers["x-death"] { properties.headers[Wire.Header.deathTrail] = trail }
        if properties.headers[Wire.Header.deathCode] == nil { letter.header.write(to: &properties.headers) }
        return properties
    }
}

/// A message on its way out of the letters.
struct Departure {
    let message: OutgoingMessage
    let exchange, routingKey: String
    /// The routing key to try where the first leads nowhere: a pool may have had more shards.
    let otherKey: String?

    init(
        _ properties: MessageProperties, _ body: [UInt8], exchange: String, routingKey: String,
        otherwise: String? = nil
    ) {
        message = OutgoingMessage(properties, body: body)
        self.exchange = exchange
        self.routingKey = routingKey
        otherKey = otherwise == routingKey ? nil : otherwise
    }

    func publish(to broker: any Broker) async throws(BrokerError) {
        do throws(BrokerError) {
            try await broker.publish(message, exchange: exchange, routingKey: routingKey)
        } catch {
            guard case .unroutable = error, let otherKey else { throw error }
            try await broker.publish(message, exchange: exchange, routingKey: otherKey)
        }
    }
}

/// Why one letter stays while the others move.
struct Refusal: Error {
    let reason: String

    init(_ reason: String) { self.reason = reason }
}
