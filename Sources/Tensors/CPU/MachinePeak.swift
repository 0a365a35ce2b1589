internal import CKernels

/// What this machine can do at most, measured: products whose operands never leave the registers, and memory that is read
/// or copied from end to end.
public struct MachinePeak: Sendable {
    /// Multiplications and additions a second in each format; of vectors, which matrix tiles (AMX) exceed.
    public let operations: [Precision: Double]
    /// Bytes a second that are read, and that are read and written by copying; from memory, not from a cache.
    public let readBytes, copiedBytes: Double

    /// Measures on as many threads as operations may use; takes about two seconds and half a gigabyte.
    ///
    /// - Throws: ``TensorError`` where memory runs out.
    public static func measure(on cpu: CPU = .shared) throws(TensorError) -> MachinePeak {
        var operations: [Precision: Double] = [:]
        for precision in Precision.allCases { operations[precision] = cpu.peakProducts(precision) }
        let (read, copied) = try cpu.peakMemoryRates()
        return MachinePeak(operations: operations, readBytes: read, copiedBytes: copied)
    }

    /// The least seconds for so many products and bytes, if the machine did nothing else.
    public func seconds(operations count: Double, _ precision: Precision, bytes: Double) -> Double {
        max(count / (operations[precision] ?? .infinity), bytes / max(readBytes, copiedBytes))
    }
}

extension CPU {
    /// The shortest of the runs of half a second, in seconds: what disturbs only makes them longer, and a system takes its
    /// time to spread threads over cores.
    private func shortest(_ body: () -> Void) -> Double {
        let start = ContinuousClock.now
        var best = Double.infinity, last = start
        while last - start < .milliseconds(500) {
            body()
            let now = ContinuousClock.now
            best = min(best, (now - last) / .seconds(1))
            last = now
        }
        return best
    }

    fileprivate func peakProducts(_ precision: Precision) -> Double {
        let rounds = 1 << 20, threads = threads
        let seconds = shortest {
            split(threads, grain: 1) { part in
                for _ in part { _ = rectifid_peak_products(precision == .bfloat16, rounds) }
            }
        }
        return Double(threads) * rectifid_peak_products(precision == .bfloat16, 1) * Double(rounds) / seconds
    }

    fileprivate func peakMemoryRates() throws(TensorError) -> (read: Double, copied: Double) {
        let words = 1 << 25, bytes = 8 * words
        let from = try Storage(bytes: bytes, operation: "peak"), to = try Storage(bytes: bytes, operation: "peak")
        from.base.initializeMemory(as: UInt64.self, repeating: 1, count: words)
        let copied = shortest {
            split(words, grain: 1) { part in
                let start = 8 * part.lowerBound
                (to.base + start).copyMemory(from: from.base + start, byteCount: 8 * part.count)
            }
        }
        let read = shortest {
            split(words, grain: 1) { part in
                let start = from.base.assumingMemoryBound(to: UInt64.self) + part.lowerBound
                // Looked at, so that the loop is not left out.
                precondition(rectifid_peak_read(start, part.count) == UInt64(part.count))
            }
        }
        return (Double(bytes) / read, Double(2 * bytes) / copied)
    }
}
