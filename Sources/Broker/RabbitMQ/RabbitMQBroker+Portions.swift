import Synchronization

/// Many messages at once.
///
/// A quorum queue answers `basic.get` when its log is on disk, milliseconds later, and a channel's next `get` waits for
/// that. A consumer is one command for as many messages as it may have. So it is subscribed for that many, and
/// cancelled when it has them: what it was given stays with it, unsettled, until it is given back.
extension RabbitMQBroker {
    /// Fewer are not worth a channel, which is kept for as long as they are unsettled.
    private static let leastPortion = 16
    /// How long nothing comes before it is taken for all: somebody else may have been faster.
    private static let patience = Duration.seconds(1)

    public func take(queue: String, atMost count: Int, bytes: Int) async throws(BrokerError) -> [Delivery] {
        // In a task of its own: what a cancelled task has been given must get into somebody's hands too.
        let taking = Task { () -> Result<[Delivery], BrokerError> in
            do throws(BrokerError) {
                return .success(try await self.takePortion(of: queue, atMost: count, bytes: bytes))
            } catch {
                return .failure(error)
            }
        }
        return try await taking.value.get()
    }

    private func takePortion(
        of queue: String, atMost count: Int, bytes: Int
    ) async throws(BrokerError) -> [Delivery] {
        let portion = min(count, try await depth(of: queue).messages, Int(UInt16.max))
        guard portion >= Self.leastPortion else { return try await takeOne(of: queue) }
        let consumer: Consumer
        do {
            consumer = try await subscribe(
                to: queue, prefetch: UInt16(portion), tag: "rectifid-" + randomName(), room: bytes)
        } catch .failed(code: 504, text: _) {
            // No channel is left.
            return try await takeOne(of: queue)
        }
        let read = await Self.read(consumer, atMost: portion)
        let deliveries = read + (await consumer.cancelAndTakeRest())
        // The first without room for its body, and what came after it.
        let kept = deliveries.prefix { delivery in
            delivery.omittedBodySize.map { $0 > UInt64(configuration.maximumBodySize) } ?? true
        }
        await release(deliveries.dropFirst(kept.count).map(\.receipt), to: queue)
        return Array(kept)
    }

    private func takeOne(of queue: String) async throws(BrokerError) -> [Delivery] {
        [try await get(queue: queue)].compactMap { $0 }
    }

    /// What comes until there are so many, or no more for a while.
    private static func read(_ consumer: Consumer, atMost count: Int) async -> [Delivery] {
        let latest = Latest()
        let reading = Task {
            var deliveries: [Delivery] = []
            var iterator = consumer.makeAsyncIterator()
            while deliveries.count < count, let delivery = try? await iterator.next() {
                deliveries.append(delivery)
                latest.note()
            }
            return deliveries
        }
        let watch = Task {
            while let left = latest.timeLeft(of: Self.patience) { try await Task.sleep(for: left) }
            reading.cancel()
        }
        defer { watch.cancel() }
        return await reading.value
    }

    public func release(_ receipts: [Receipt], to queue: String) async {
        guard !receipts.isEmpty else { return }
        var expected = (try? await depth(of: queue).messages) ?? 0
        var rest = receipts[...]
        var isPatient = true
        while !rest.isEmpty {
            let call = Call<ConsumeRole.Returned>()
            let sent = rest
            let returned = try? await call.value { consuming?.post(.command(.release(sent, call))) ?? false }
            // Where the connection is closed the broker has them all.
            guard let returned, returned.passed > 0 else { return }
            rest = rest.dropFirst(returned.passed)
            expected += returned.released
            // RabbitMQ answers no settlement. With an end, since others may take what is there, and what was lost with
            // its connection is counted from the beginning.
            let deadline = ContinuousClock.now + .seconds(2)
            while isPatient, let depth = try? await depth(of: queue), depth.messages < expected {
                try? await Task.sleep(for: .milliseconds(1))
                isPatient = ContinuousClock.now < deadline
            }
        }
    }

    /// When something came last.
    private final class Latest: Sendable {
        private let time = Mutex(ContinuousClock.now)

        func note() { time.withLock { $0 = .now } }

        /// Until nothing has come for so long; nil when that is over.
        func timeLeft(of patience: Duration) -> Duration? {
            let left = ContinuousClock.now.duration(to: time.withLock { $0 } + patience)
            return left > .zero ? left : nil
        }
    }
}
