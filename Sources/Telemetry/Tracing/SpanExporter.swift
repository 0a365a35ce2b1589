import Dispatch
import Synchronization

/// Writes spans to a file or to standard error, in the background.
///
/// What is exported waits in a bounded buffer; when that is full it is dropped and counted, since no job should wait for
/// a slow disk or for somebody who reads from a pipe.
public final class SpanExporter: Sendable {
    /// How many spans came to which end.
    public struct Counts: Sendable, Equatable {
        public var written = 0
        /// The buffer was full, or they could not be written.
        public var dropped = 0
    }

    private struct Contents {
        var waiting = 0
        var isClosed = false
        var counts = Counts()
    }

    private let write: @Sendable ([UInt8]) -> Bool
    private let resource: [SpanAttribute]
    private let version: String
    private let capacity: Int
    private let queue = DispatchQueue(label: "rectifid spans", qos: .utility)
    private let contents = Mutex(Contents())

    /// An exporter.
    ///
    /// - Parameters:
    ///   - sink: Where the lines go.
    ///   - resource: What the spans are of, such as `service.name`.
    ///   - version: Of what makes the spans.
    ///   - capacity: Spans that may wait to be written.
    public convenience init(
        to sink: LineSink, resource: [SpanAttribute], version: String, capacity: Int = 4096
    ) {
        self.init(resource: resource, version: version, capacity: capacity) { sink.write(line: $0) }
    }

    /// An exporter that gives each line to `write`, which may block and says whether it was written.
    public init(
        resource: [SpanAttribute], version: String, capacity: Int = 4096,
        write: @escaping @Sendable ([UInt8]) -> Bool
    ) {
        self.write = write
        self.resource = resource
        self.version = version
        self.capacity = capacity
    }

    /// Takes spans to be written together; returns at once.
    public func export(_ spans: [Span]) {
        guard !spans.isEmpty else { return }
        let isTaken = contents.withLock { contents in
            guard !contents.isClosed, contents.waiting + spans.count <= capacity else {
                contents.counts.dropped += spans.count
                return false
            }
            contents.waiting += spans.count
            return true
        }
        guard isTaken else { return }
        queue.async { [self] in
            let line = TraceDocument.line(spans, resource: resource, scope: "rectifid", version: version)
            let isWritten = write(line)
            contents.withLock { contents in
                contents.waiting -= spans.count
                if isWritten { contents.counts.written += spans.count } else { contents.counts.dropped += spans.count }
            }
        }
    }

    public var counts: Counts { contents.withLock { $0.counts } }

    /// Takes no more spans, and waits until what was taken is written, but not for ever.
    public func close(withinSeconds limit: Double = 2) async {
        contents.withLock { $0.isClosed = true }
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let once = Once { continuation.resume() }
            queue.async { once.run() }
            DispatchQueue.global().asyncAfter(deadline: .now() + limit) { once.run() }
        }
    }
}

/// Something that two may ask for and that happens once.
private final class Once: Sendable {
    private let body: Mutex<(@Sendable () -> Void)?>

    init(_ body: @escaping @Sendable () -> Void) {
        self.body = Mutex(body)
    }

    func run() { body.withLock { $0.take() }?() }
}
