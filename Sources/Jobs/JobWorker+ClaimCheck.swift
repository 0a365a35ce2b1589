import Broker
import Logging
import Messages
import ObjectStores
import RectifIDClient

/// What a worker takes out of the shared store and puts there.
///
/// A picture is stored before the reply that has its key, and the reply is confirmed before the request is acknowledged: a
/// worker that dies in between leaves at most an object that the next execution of the job writes again.
extension JobWorker {
    /// What a job needs before it can be computed.
    struct Material: Sendable {
        /// With its resume state where it had the key of one.
        var job: Job
        /// The encoded picture of each reference, in order.
        var pictures: [[UInt8]]
    }

    /// Reads what the request has keys of.
    ///
    /// Ends early, without pictures, when the job is asked to stop: its computation then ends before it looks at them.
    func collect(
        _ job: Job, control: JobControl, observer: any JobObserver, logger: Logger
    ) async -> Result<Material, Status> {
        guard job.request.hasKeys else { return await read(job, logger) }
        observer.began(.fetch)
        defer { observer.ended(.fetch) }
        let reading = Task { await read(job, logger) }
        control.onStop { reading.cancel() }
        let result = await withTaskCancellationHandler {
            await reading.value
        } onCancel: {
            control.ask(.abandon)
        }
        guard case .failure = result, control.stop != nil else { return result }
        return .success(Material(job: job, pictures: []))
    }

    private func read(_ job: Job, _ logger: Logger) async -> Result<Material, Status> {
        var material = Material(job: job, pictures: [])
        do throws(Status) {
            for (index, reference) in job.request.references.enumerated() {
                material.pictures.append(try await picture(reference, at: "references[\(index)]", logger))
            }
        } catch {
            return .failure(error)
        }
        if let key = job.request.resumeKey {
            material.job.request.resumeKey = nil
            material.job.request.resume = await resumeState(key, of: job.request, logger)
        }
        return .success(material)
    }

    private func picture(
        _ reference: Reference, at field: String, _ logger: Logger
    ) async throws(Status) -> [UInt8] {
        switch reference.picture {
        case .image(let bytes): return bytes
        case .key(let key):
            guard let claimCheck = configuration.claimCheck else {
                throw Status(
                    .failedPrecondition, "\(field).key: this worker has no shared store; send the picture in 'image'",
                    details: [.errorInfo(reason: "NO_STORE")])
            }
            do throws(ObjectStoreError) {
                return try await claimCheck.store.get(try ObjectKey(key), limit: claimCheck.maximumPictureBytes)
            } catch {
                logger.warning("reference not read from the store", metadata: ["key": "\(key)", "error": "\(error)"])
                throw Status(error, field: "\(field).key")
            }
        }
    }

    /// The state of an interrupted job; nil where it is lost, for a job can always begin again.
    private func resumeState(_ key: String, of request: PersonalizeRequest, _ logger: Logger) async -> ResumeState? {
        guard let claimCheck = configuration.claimCheck else {
            logger.warning("the job begins again: this worker has no store to read its state from")
            return nil
        }
        let limit = WorkerConfiguration.maximumResumeBytes
        do {
            let bytes = try await claimCheck.store.get(try ObjectKey(key), limit: limit)
            var resumed = request
            resumed.resumeKey = nil
            resumed.resume = try ResumeState.decode(bytes, limits: MessageLimits(maximumBytes: limit))
            try resumed.validate()
            return resumed.resume
        } catch {
            logger.warning(
                "the job begins again: its state cannot be read", metadata: ["key": "\(key)", "error": "\(error)"])
            return nil
        }
    }
}

extension HeldRequest {
    private var requestTime: Int64? { delivery.properties.timestamp }

    /// Puts the result's picture into the store where it is too large for a message.
    ///
    /// - Throws: A status where the store does not take it; the picture is lost then, unless it is stored later.
    func deposit(_ result: PersonalizeResult) async throws(Status) -> PersonalizeResult {
        guard let claimCheck = configuration.claimCheck, var picture = result.picture,
            case .image(let bytes) = picture.content, bytes.count > claimCheck.threshold
        else { return result }
        do throws(ObjectStoreError) {
            let key = try ClaimKey.result(ofJob: address.jobID, at: requestTime, picture.format)
            try await claimCheck.store.put(
                bytes, at: key, contentType: picture.format == .png ? "image/png" : "image/jpeg")
            picture.content = .key(key.text)
        } catch {
            logger.error("result not stored", metadata: ["error": "\(error)"])
            throw Status(error, field: "")
        }
        var result = result
        result.picture = picture
        return result
    }

    /// The request with a state to go on from as a message's body, the state in the store where it does not fit; nil
    /// where it fits nowhere.
    func resumableBody(_ request: PersonalizeRequest, from state: ResumeState) async -> [UInt8]? {
        var request = request
        (request.resume, request.resumeKey) = (state, nil)
        let body = request.encode()
        guard body.count > configuration.messageLimits.maximumBytes else { return body }
        let bytes = state.encode()
        guard let claimCheck = configuration.claimCheck, bytes.count <= WorkerConfiguration.maximumResumeBytes else {
            logger.warning("the state is too large for a message", metadata: ["bytes": "\(bytes.count)"])
            return nil
        }
        do {
            let key = try ClaimKey.resume(ofJob: address.jobID, at: requestTime)
            try await claimCheck.store.put(bytes, at: key, contentType: "application/x-protobuf")
            (request.resume, request.resumeKey) = (nil, key.text)
            return request.encode()
        } catch {
            logger.warning("state not stored", metadata: ["error": "\(error)"])
            return nil
        }
    }

    /// Removes the state of a job that has its result; what stays behind expires.
    func discardState(of request: PersonalizeRequest) async {
        // Only the job's own: the key came with a message.
        guard let claimCheck = configuration.claimCheck, let text = request.resumeKey,
            let key = try? ClaimKey.resume(ofJob: address.jobID, at: requestTime), key.text == text
        else { return }
        try? await claimCheck.store.delete(key)
    }
}

extension WorkerConfiguration {
    /// Largest state of an interrupted job that goes through the store, in bytes.
    static let maximumResumeBytes = 64 << 20
}

extension PersonalizeRequest {
    fileprivate var hasKeys: Bool {
        resumeKey != nil
            || references.contains { reference in
                if case .key = reference.picture { true } else { false }
            }
    }
}

extension Status {
    /// What to tell a client about the store: what is its own to mend in full, of the rest only that it is so.
    fileprivate init(_ error: ObjectStoreError, field: String) {
        func violation(_ problem: String, _ allowed: String) -> StatusDetail {
            .fieldViolation(field: field, problem: problem, allowed: allowed)
        }
        switch error {
        case .notFound(let key):
            self.init(
                .notFound, "\(field): \(error); put the picture there before the request is published",
                details: [
                    violation("'\(key)' is not in the store", "the key of a picture that is in the store"),
                    .resourceInfo(type: "key", name: key.text),
                ])
        case .tooLarge(_, _, let limit):
            self.init(
                .invalidArgument, "\(field): \(error)",
                details: [violation("\(error)", "a picture of at most \(limit) bytes")])
        case .invalidKey(_, let allowed):
            self.init(.invalidArgument, "\(field): \(error)", details: [violation("\(error)", allowed)])
        case .accessDenied:
            self.init(
                .unavailable, "the shared store denies this worker access; its operator has to look at it",
                details: [.errorInfo(reason: "STORE_ACCESS_DENIED")])
        case .misconfigured:
            self.init(
                .unavailable, "this worker's shared store is not set up right; its operator has to look at it",
                details: [.errorInfo(reason: "STORE_MISCONFIGURED")])
        case .unavailable, .cancelled:
            self.init(
                .unavailable, "the shared store does not answer; try again later",
                details: [.errorInfo(reason: "STORE_UNAVAILABLE")])
        }
    }
}
