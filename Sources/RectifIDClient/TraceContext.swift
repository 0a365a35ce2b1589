/// Where a job belongs in a distributed trace: the headers `traceparent` and `tracestate` of W3C Trace Context.
///
/// Workers pass both on to every reply.
public struct TraceContext: Sendable, Equatable {
    /// `version-traceid-parentid-flags`, in lower-case hexadecimal.
    public let traceParent: String
    /// What tracing systems add for themselves.
    public let traceState: String?

    /// - Returns: nil where `traceParent` is not of the recommendation's form, or either is above 512 bytes.
    public init?(traceParent: String, traceState: String? = nil) {
        let parts = traceParent.split(separator: "-", omittingEmptySubsequences: false)
        guard traceParent.utf8.count <= 512, (traceState?.utf8.count ?? 0) <= 512, parts.count >= 4,
            Self.isHexadecimal(parts[0], 2), parts[0] != "ff",
            // Later versions may append parts; this one has four.
            parts[0] != "00" || parts.count == 4,
            Self.isHexadecimal(parts[1], 32), parts[1].contains(where: { $0 != "0" }),
            Self.isHexadecimal(parts[2], 16), parts[2].contains(where: { $0 != "0" }),
            Self.isHexadecimal(parts[3], 2)
        else { return nil }
        self.traceParent = traceParent
        self.traceState = traceState
    }

    private static func isHexadecimal(_ text: Substring, _ count: Int) -> Bool {
        text.utf8.count == count
            && text.utf8.allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
    }
}
