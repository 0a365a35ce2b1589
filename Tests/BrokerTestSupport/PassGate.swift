import Foundation
import Synchronization

/// Holds every job's thread at a pass until the test lets them go.
public final class PassGate: Sendable {
    private let pass: Int?
    private let opened = DispatchSemaphore(value: 0)
    private let contents = Mutex((isOpen: false, passes: 0))
    private let reached: AsyncStream<Void>
    private let reaching: AsyncStream<Void>.Continuation

    /// - Parameter pass: nil holds nobody.
    public init(atPass pass: Int?) {
        self.pass = pass
        (reached, reaching) = AsyncStream.makeStream()
    }

    /// How many passes went through, or did not have to wait.
    public var passes: Int { contents.withLock { $0.passes } }

    /// To be called by the job's thread before each pass.
    public func wait(at pass: Int) {
        if pass == self.pass, !contents.withLock({ $0.isOpen }) {
            reaching.yield()
            opened.wait()
            // For the next in line.
            opened.signal()
        }
        contents.withLock { $0.passes += 1 }
    }

    /// Waits until one more job stands at the gate.
    public func isReached() async {
        for await _ in reached { return }
    }

    public func open() {
        contents.withLock { $0.isOpen = true }
        opened.signal()
    }
}
