/// How large a message may be, and how much memory reading it may take.
public struct MessageLimits: Sendable, Equatable {
    /// Largest encoded message, in bytes.
    ///
    /// 16 MiB is the most that RabbitMQ 4 carries by default; RabbitMQ 3 carries up to 128 MiB.
    public var maximumBytes: Int

    public init(maximumBytes: Int) {
        self.maximumBytes = maximumBytes
    }

    public static let standard = MessageLimits(maximumBytes: 16 << 20)

    /// What the parser may allocate for a message of `count` bytes.
    ///
    /// Pictures and tensors are copied once; everything else in an honest message is small. Two times the size and a
    /// constant leave room for both, and none for the forty-fold growth of a message made of unknown fields.
    func memory(forMessageOf count: Int) -> Int {
        2 * count + (1 << 20)
    }
}
