import Glibc
import Synchronization

/// Messages to a thread that waits in poll(2): a locked list and a pipe that wakes the thread.
final class Mailbox<Message: Sendable>: Sendable {
    private struct Contents {
        var messages: [Message] = []
        var isOpen = true
    }

    private let contents = Mutex(Contents())
    /// Readable when there are messages.
    let descriptor: Int32
    private let writeEnd: Int32

    /// - Throws: ``BrokerError/disconnected(_:)`` where the process has no file descriptors left.
    init() throws(BrokerError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw .disconnected("no pipe for the broker thread: \(String(cString: strerror(errno)))")
        }
        for end in ends {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
        descriptor = ends[0]
        writeEnd = ends[1]
    }

    deinit {
        Glibc.close(descriptor)
        Glibc.close(writeEnd)
    }

    /// Leaves a message; false when the receiver has closed.
    @discardableResult
    func post(_ message: Message) -> Bool {
        contents.withLock { contents in
            guard contents.isOpen else { return false }
            contents.messages.append(message)
            // One byte announces any number of messages.
            if contents.messages.count == 1 {
                var byte: UInt8 = 1
                _ = write(writeEnd, &byte, 1)
            }
            return true
        }
    }

    /// Takes all messages.
    func takeAll() -> [Message] {
        contents.withLock { contents in
            guard !contents.messages.isEmpty else { return [] }
            var byte: UInt8 = 0
            _ = read(descriptor, &byte, 1)
            defer { contents.messages = [] }
            return contents.messages
        }
    }

    /// Takes no more messages and returns those not yet taken.
    func close() -> [Message] {
        let rest = takeAll()
        return rest
            + contents.withLock { contents in
                contents.isOpen = false
                defer { contents.messages = [] }
                return contents.messages
            }
    }
}
