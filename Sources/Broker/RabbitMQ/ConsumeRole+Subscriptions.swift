import Logging

/// Subscriptions over their life: made, interrupted, made again, ended.
extension ConsumeRole {
    func subscribe(_ subscription: Subscription) {
        guard isOnline, subscription.channel == nil, subscription.cancelCall == nil else { return }
        subscription.retryAt = nil
        subscription.channel = openChannel(.subscription(subscription))
        if subscription.channel == nil { end(subscription, .failed(code: 504, text: "no channel left")) }
    }

    /// The channel is open.
    func begin(_ subscription: Subscription, on channel: Channel) {
        outbox.append(.setPrefetch(subscription.request.prefetch), on: channel.number)
        let request = subscription.request
        outbox.append(
            .consume(queue: request.queue, tag: request.tag, streamOffset: request.streamOffset), on: channel.number)
    }

    func answered(_ method: ServerMethod, to subscription: Subscription, on channel: Channel) {
        switch method {
        case .consuming:
            subscription.backoff.reset()
            let isFirst = !subscription.isEstablished
            subscription.isEstablished = true
            if isFirst, !subscription.request.call.answer(.success(())) {
                // Whoever asked has gone.
                unsubscribe(subscription.request.id, Call())
            }
        case .cancelled:
            // The queue was deleted or lost its leader. What came on this channel can still be settled.
            logger.warning("consumer cancelled by the broker", metadata: ["queue": "\(subscription.request.queue)"])
            guard subscription.channel === channel else { return }
            retire(channel)
            subscription.channel = nil
            declareAndSubscribe(subscription)
        case .cancelConfirmed:
            for delivery in subscription.request.buffer.finish() { settle(delivery.receipt, .release) }
            retire(channel)
            subscription.channel = nil
            subscriptions[subscription.request.id] = nil
            subscription.cancelCall?.answer(.success(()))
        default: break
        }
    }

    /// Keeps a channel only until everything that came on it is settled.
    private func retire(_ channel: Channel) {
        channel.isEnding = true
        closeIfDone(channel)
    }

    private func declareAndSubscribe(_ subscription: Subscription) {
        subscription.retryAt = nil
        let declarations = declarations(of: subscription.request.queue)
        for step in declarations { jobs.append(ControlJob(steps: [step], recovery: .declaration)) }
        jobs.append(ControlJob(steps: [], recovery: .subscribe(subscription.request.id)))
        advanceJobs()
    }

    /// The broker has closed the channel: its deliveries go to someone else.
    func interrupted(_ subscription: Subscription, on channel: Channel, _ error: BrokerError) {
        guard subscription.channel === channel else { return }
        subscription.channel = nil
        if let call = subscription.cancelCall {
            subscriptions[subscription.request.id] = nil
            subscription.request.buffer.finish()
            call.answer(.success(()))
            return
        }
        guard subscription.isEstablished else { return end(subscription, error) }
        subscription.request.buffer.removeAll()
        let queue = subscription.request.queue
        logger.warning("subscription interrupted", metadata: ["queue": "\(queue)", "error": "\(error)"])
        switch error {
        // While declarations are still to be repeated, a missing queue is only not there yet.
        case .notFound where isRecovered && recoveryRetryAt == nil: end(subscription, .consumerCancelled(queue: queue))
        case .accessRefused: end(subscription, error)
        default:
            let retryAt = ContinuousClock.now + subscription.backoff.next(using: &random)
            subscription.retryAt = retryAt
            noteDeadline(retryAt)
        }
    }

    private func end(_ subscription: Subscription, _ error: BrokerError) {
        subscriptions[subscription.request.id] = nil
        subscription.request.call.fail(error)
        subscription.request.buffer.finish(error)
    }

    func unsubscribe(_ id: UInt64, _ call: Call<Void>) {
        guard let subscription = subscriptions[id] else {
            call.answer(.success(()))
            return
        }
        guard let channel = subscription.channel, channel.isOpen, subscription.isEstablished else {
            // Not subscribed now: nothing to tell the broker but that the channel is not needed.
            for delivery in subscription.request.buffer.finish() { settle(delivery.receipt, .release) }
            subscriptions[id] = nil
            if let channel = subscription.channel { retire(channel) }
            call.answer(.success(()))
            return
        }
        guard subscription.cancelCall == nil else {
            // Cancelled twice: the first is under way.
            call.answer(.success(()))
            return
        }
        // What comes until the broker has heard of it goes to whoever still takes; the rest is given back then.
        subscription.cancelCall = call
        outbox.append(.cancel(tag: subscription.request.tag), on: channel.number)
    }

    func expireSubscriptions(_ now: ContinuousClock.Instant) {
        for subscription in Array(subscriptions.values) {
            if !subscription.isEstablished {
                let request = subscription.request
                if request.deadline <= now || request.call.isAnswered {
                    request.call.fail(timedOut("consume"))
                    unsubscribe(request.id, Call())
                } else {
                    noteDeadline(request.deadline)
                }
            }
            if let retryAt = subscription.retryAt {
                if retryAt <= now { declareAndSubscribe(subscription) } else { noteDeadline(retryAt) }
            }
        }
    }
}
