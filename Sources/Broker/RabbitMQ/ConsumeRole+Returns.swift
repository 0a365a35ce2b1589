/// Giving many messages back in their order.
///
/// RabbitMQ 3.10 sends a quorum queue at most 32 commands of a channel ahead of its answers, and puts the returns
/// beyond into one command in reverse order. And of a command with more than 32 messages it returns them in the order
/// of a hash table. So a frame has at most 32 messages, and only so many frames go before the queue has answered.
extension ConsumeRole {
    static let returnsInFlight = 24
    static let messagesPerReturn = 32

    /// How far one step of giving back came.
    struct Returned: Sendable {
        /// Receipts that are done with.
        var passed = 0
        /// Messages that the queue gets, those left out that are settled or back already.
        var released = 0
    }

    /// Gives some of the first messages back, all of one channel: RabbitMQ keeps no order between two.
    ///
    /// The rest must wait until the queue has these.
    func release(_ receipts: ArraySlice<Receipt>) -> Returned {
        var returned = Returned()
        for _ in 0..<Self.returnsInFlight {
            let rest = receipts.dropFirst(returned.passed)
            guard let first = rest.first, first.channelEpoch == receipts.first?.channelEpoch else { break }
            let run = run(rest)
            returned.passed += run.count
            if run.count > 1, let last = run.last, let channel = channelsByEpoch[first.channelEpoch] {
                for receipt in run { channel.unsettled.remove(receipt.deliveryTag) }
                outbox.append(.release(tag: last.deliveryTag, andEarlier: true), on: channel.number)
                closeIfDone(channel)
                returned.released += run.count
            } else if settle(first, .release) {
                returned.released += 1
            }
        }
        return returned
    }

    /// How many of the first can be given back together: all that is unsettled on a channel up to the last of them.
    ///
    /// One by one where a channel's messages came by `get`: each of them is a consumer of its own to the queue.
    private func run(_ receipts: ArraySlice<Receipt>) -> ArraySlice<Receipt> {
        guard let first = receipts.first, let channel = channelsByEpoch[first.channelEpoch], !channel.isClosing,
            !channel.isOfStream, case .subscription = channel.use
        else { return receipts.prefix(1) }
        let candidates = receipts.prefix(Self.messagesPerReturn)
        let matching = zip(candidates, channel.unsettled.sorted())
            .prefix { $0.channelEpoch == first.channelEpoch && $0.deliveryTag == $1 }
        return candidates.prefix(max(matching.count, 1))
    }
}
