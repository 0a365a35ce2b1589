/// Single messages, one after the other for each queue.
extension ConsumeRole {
    func advance(_ line: GetLine) {
        guard isOnline, !line.isAsking, !line.requests.isEmpty else { return }
        guard let channel = line.channel else {
            line.channel = openChannel(.get(line))
            if line.channel == nil {
                line.requests.removeFirst()?.call.fail(.failed(code: 504, text: "no channel left"))
            }
            return
        }
        guard channel.isOpen else { return }
        line.isAsking = true
        outbox.append(.get(queue: line.queue), on: channel.number)
    }
}
