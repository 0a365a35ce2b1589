extension PersonalizeRequest {
    /// Tells what is asked for apart from anything else, in this process: equal for equal requests, however far a worker
    /// has come with one.
    ///
    /// 64 bits of SipHash under a key that no sender knows. Pictures are hashed where they lie: encoded with the rest,
    /// they would be copied twice.
    public var fingerprint: Int {
        var request = self
        (request.resume, request.resumeKey) = (nil, nil)
        var hasher = Hasher()
        for (index, reference) in references.enumerated() {
            guard case .image(let bytes) = reference.picture else { continue }
            hasher.combine(bytes.count)
            bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
            request.references[index].picture = .image([])
        }
        request.encode().withUnsafeBytes { hasher.combine(bytes: $0) }
        return hasher.finalize()
    }
}
