public import Messages

extension PersonalizationClient {
    /// Makes one picture: sends the job, waits for its end and gets the file, from the shared store if need be.
    ///
    /// Cancelling the calling task cancels the job at the workers.
    ///
    /// - Parameters:
    ///   - request: Checked before anything is sent.
    ///   - lane: Where it waits.
    ///   - time: After which the picture is of no use, for workers and for this call; nil: as long as it takes.
    ///   - jobID: The job's id, for sending the same job again; nil: a random one.
    ///   - trace: The trace that it belongs to.
    ///   - progress: Called for every progress event that the request asks for.
    /// - Throws: ``ClientError``; its `code`, `message` and `details` say what was wrong, be it found here, by the broker
    ///   or by a worker (``ClientError/failed(_:jobID:)``).
    public func personalize(
        _ request: PersonalizeRequest, lane: Lane = .interactive, within time: Duration? = nil, jobID: String? = nil,
        trace: TraceContext? = nil, progress: @Sendable (PersonalizeProgress) -> Void = { _ in }
    ) async throws(ClientError) -> PersonalizedPicture {
        let deadline = time.map { configuration.wallTime.read().addingReportingOverflow($0.milliseconds) }
        let id = jobID ?? Self.newJobID()
        do throws(ClientError) {
            let submission = try await submit(
                request, lane: lane, deadline: deadline.map { $0.overflow ? .max : $0.partialValue }, jobID: id,
                trace: trace)
            var events = submission.makeAsyncIterator()
            while let event = try await events.next() {
                switch event.body {
                case .accepted: break
                case .progress(let update): progress(update)
                case .result(let result): return try await picture(of: result, job: id)
                }
            }
            throw .closed
        } catch {
            if error == .cancelled { abandon(id) }
            throw error
        }
    }

    /// Gets the file of a result, from the shared store if that is where it lies.
    ///
    /// - Throws: ``ClientError``: `.failed` for a result without a picture, `.notFetched` where the store does not give it.
    public func picture(of result: PersonalizeResult, job id: String) async throws(ClientError) -> PersonalizedPicture {
        guard result.status.code == .ok, let picture = result.picture else { throw .failed(result.status, jobID: id) }
        let bytes: [UInt8]
        switch picture.content {
        case .image(let image): bytes = image
        case .key(let key): bytes = try await fetch(key)
        }
        return PersonalizedPicture(
            bytes: bytes, format: picture.format, width: picture.width, height: picture.height, result: result,
            jobID: id)
    }

    private func fetch(_ key: String) async throws(ClientError) -> [UInt8] {
        guard let fetchPicture = configuration.fetchPicture else {
            throw .notFetched(key: key, reason: "this client knows no store; set ClientConfiguration.fetchPicture")
        }
        do {
            return try await fetchPicture(key)
        } catch is CancellationError {
            throw .cancelled
        } catch {
            throw .notFetched(key: key, reason: "\(error)")
        }
    }

    /// Tells the workers that nobody waits any more; in a task of its own, since this one is cancelled.
    private func abandon(_ jobID: String) {
        Task { _ = try? await cancel(jobID: jobID, reason: "the client's task was cancelled", within: .zero) }
    }
}
