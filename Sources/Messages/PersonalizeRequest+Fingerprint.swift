extension PersonalizeRequest {
    /// Tells what is asked for apart from anything else, in this process: equal for equal requests, however far a worker
    /// has come with one.
    ///
    /// 64 bits of SipHash under a key that no sender knows.
    public var fingerprint: Int {
        var request = self
        (request.resume, request.resumeKey) = (nil, nil)
        var hasher = Hasher()
        request.encode().withUnsafeBytes { hasher.combine(bytes: $0) }
        return hasher.finalize()
    }
}
