import ArgumentParser
import Broker
import Flow
import Foundation
import Generation
import Messages
import ObjectStores
import Raster
import RectifIDClient
import UnixSignals

/// `rectifid submit`: sends a job to a pool and waits for its picture.
struct Submit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Sends a job to the workers, shows its progress and writes the picture.",
        discussion: """
            Exit codes by the job's status: 0 OK; 65 INVALID_ARGUMENT, FAILED_PRECONDITION, NOT_FOUND and other faults of
            the request; 69 no broker; 70 INTERNAL; 75 UNAVAILABLE, RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED, CANCELLED.
            SIGINT cancels the job.
            """)

    @OptionGroup var picture: PictureOptions
    @OptionGroup var broker: BrokerOptions
    @OptionGroup var store: StoreOptions
    @OptionGroup var tracing: TraceOptions

    @Option(
        name: .customLong("model"), help: "Name of a model of the workers; their default otherwise. [RECTIFID_MODEL]")
    var modelID: String?

    @Option(help: "interactive or batch. [RECTIFID_LANE]")
    var lane: Lane?

    @Option(help: "Seconds from now after which the picture is of no use. [RECTIFID_DEADLINE]")
    var deadline: Double?

    @Option(help: "The job's id, to send the same job again; a random one by default. [RECTIFID_JOB_ID]")
    var jobID: String?

    @Option(
        help: """
            Whom a fair share of the workers is for: jobs of different names do not wait for one another. The broker's user \
            by default. [RECTIFID_CLIENT]
            """)
    var client: String?

    @Option(help: "Folder to write previews to, one every --preview-interval iterations. [RECTIFID_PREVIEWS]")
    var previews: String?

    @Option(help: "Iterations between previews; 5 by default. [RECTIFID_PREVIEW_INTERVAL]")
    var previewInterval: Int?

    @Flag(help: "Print every event as a line of JSON on standard output. [RECTIFID_JSON]")
    var json = false

    mutating func validate() throws {
        modelID = try EnvironmentValue.value(modelID, "model")
        lane = try EnvironmentValue.value(lane, "lane")
        deadline = try EnvironmentValue.value(deadline, "deadline")
        jobID = try EnvironmentValue.value(jobID, "job-id")
        client = try EnvironmentValue.value(client, "client")
        previews = try EnvironmentValue.value(previews, "previews")
        previewInterval = try EnvironmentValue.value(previewInterval, "preview-interval")
        json = try EnvironmentValue.flag(json, "json")
        if let seconds = deadline, !(seconds > 0 && seconds <= 1e8) {
            throw ValidationError("--deadline \(seconds); seconds above 0 are possible")
        }
        if let id = jobID, !Wire.isJobID(id) {
            throw ValidationError("--job-id '\(id)'; 1 to 128 visible ASCII characters are possible")
        }
        if let client, !(1...200).contains(client.utf8.count) {
            throw ValidationError("--client '\(client)'; 1 to 200 bytes are possible")
        }
        if let interval = previewInterval, !(1...1000).contains(interval) {
            throw ValidationError("--preview-interval \(interval); 1 to 1000 are possible")
        }
    }

    func run() async throws {
        try await broker.withBroker("rectifid submit") { connection, pool in
            let claimCheck = try store.claimCheck()
            let id = jobID ?? PersonalizationClient.newJobID()
            let request = try await deposited(try request(), jobID: id, claimCheck)
            var configuration = ClientConfiguration()
            configuration.declaresTopology = true
            configuration.clientName = client ?? broker.user
            let client = try await PersonalizationClient.connect(
                to: connection, pool: pool, configuration: configuration)
            let span = SubmitSpan(
                try tracing.open(service: "rectifid submit", instance: id), pool: pool, lane: lane ?? .interactive,
                jobID: id)
            do {
                try await send(request, id, client, span.trace, claimCheck)
            } catch {
                await span.end(error)
                await client.close()
                throw error
            }
            await span.end(nil)
            await client.close()
        }
    }

    private func send(
        _ request: PersonalizeRequest, _ id: String, _ client: PersonalizationClient, _ trace: TraceContext?,
        _ claimCheck: ClaimCheck?
    ) async throws {
        let submission = try await client.submit(
            request, lane: lane ?? .interactive, deadline: absoluteDeadline, jobID: id, trace: trace)
        let cancelling = cancelOnInterrupt(submission.jobID, client)
        defer { cancelling.cancel() }
        try await follow(submission, claimCheck)
    }

    private var absoluteDeadline: UnixMilliseconds? {
        deadline.map { UnixMilliseconds((Date().timeIntervalSince1970 + $0) * 1000) }
    }

    /// Asks the workers to stop the job when somebody presses Control-C; its result then says so.
    private func cancelOnInterrupt(_ jobID: String, _ client: PersonalizationClient) -> Task<Void, Never> {
        Task {
            for await _ in await UnixSignalsSequence(trapping: .sigint) {
                StandardError.write("\ncancelling \(jobID)\n")
                _ = try? await client.cancel(jobID: jobID, reason: "interrupted at the terminal", within: .zero)
            }
        }
    }

    /// The request with those pictures in the store that are too large for a message.
    private func deposited(
        _ request: PersonalizeRequest, jobID: String, _ claimCheck: ClaimCheck?
    ) async throws -> PersonalizeRequest {
        guard let claimCheck else { return request }
        do throws(ObjectStoreError) {
            return try await claimCheck.deposit(
                request, jobID: jobID, at: UnixMilliseconds(Date().timeIntervalSince1970 * 1000))
        } catch {
            throw CommandFailure(error)
        }
    }

    private func follow(_ submission: Submission, _ claimCheck: ClaimCheck?) async throws {
        var progress: ProgressReport?
        for try await event in submission {
            if json { EventLine(event).print() }
            switch event.body {
            case .accepted(let accepted):
                if !json { progress = ProgressReport(iterations: accepted.iterations) }
            case .progress(let update):
                progress?.show(iteration: update.iteration, loss: update.loss, similarity: update.similarity)
                try write(preview: update)
            case .result(let result): try await finish(result, job: submission.jobID, claimCheck)
            }
        }
    }

    private func write(preview update: PersonalizeProgress) throws {
        guard let previews, !update.preview.isEmpty else { return }
        let file = URL(fileURLWithPath: previews).appendingPathComponent(
            String(format: "preview-%04d.jpg", update.iteration))
        do {
            try FileManager.default.createDirectory(atPath: previews, withIntermediateDirectories: true)
            try Data(update.preview).write(to: file)
        } catch {
            throw CommandFailure(.cannotWrite, "\(file.path): cannot be written: \(error.localizedDescription)")
        }
    }

    private func finish(_ result: PersonalizeResult, job: String, _ claimCheck: ClaimCheck?) async throws {
        guard result.status.code == .ok else { throw CommandFailure(result.status, job: job) }
        try picture.write(try await bytes(of: result, claimCheck))
        guard !json else { return }
        if let similarity = result.similarity {
            print(
                String(
                    format: "%@: similarity %.3f, from %.3f unguided", picture.output, similarity.after,
                    similarity.before))
        } else {
            print(picture.output)
        }
    }

    /// The picture, from the store if that is where it is.
    private func bytes(of result: PersonalizeResult, _ claimCheck: ClaimCheck?) async throws -> [UInt8] {
        switch result.picture?.content {
        case nil: throw CommandFailure(.internalFailure, "the result has no picture")
        case .image(let bytes)?: return bytes
        case .key(let key)?:
            guard let claimCheck else {
                throw CommandFailure(
                    .unavailable, "the picture lies in the shared store as '\(key)'; say where that is with --store")
            }
            do { return try await claimCheck.fetch(key) } catch let error as ObjectStoreError {
                throw CommandFailure(error)
            }
        }
    }

    private func request() throws -> PersonalizeRequest {
        var request = PersonalizeRequest(
            references: try picture.referenceFiles().map {
                Reference(picture: .image($0), subject: Messages.Subject(picture.subject))
            },
            prompt: picture.prompt)
        request.negativePrompt = picture.negativePrompt
        request.modelID = modelID
        request.seed = picture.seed
        request.width = picture.width
        request.height = picture.height
        request.steps = picture.steps
        request.iterations = picture.iterations
        request.rate = picture.rate.map { Float($0) }
        request.gain = picture.gain.map { Messages.Gain($0) }
        request.cfgScale = picture.cfgScale
        request.flow = picture.flow.map { $0 == .piecewise ? .piecewise : .rectified }
        let effort = picture.effort.value
        request.gradientDepth = effort.gradientDepth
        request.jacobianDepth = effort.jacobianDepth
        request.cfgGradient = effort.cfgGradient.map { $0 == .both ? .both : .conditional }
        request.stopAtSimilarity = effort.sufficientSimilarity
        request.plateauPatience = effort.plateau?.patience
        // Unset is 0 on the wire, and the only way to say so.
        request.plateauTolerance = effort.plateau.flatMap { $0.tolerance > 0 ? $0.tolerance : nil }
        request.output =
            picture.format == .png
            ? .png : .jpeg(quality: picture.quality, chroma: picture.keepsFullChroma ? .full : .half)
        request.progressInterval = 1
        request.previewInterval = previews == nil ? nil : previewInterval ?? 5
        return request
    }
}

extension Messages.Subject {
    init(_ subject: Generation.Subject) {
        switch subject {
        case .person: self = .person
        case .liveSubject: self = .liveSubject
        case .object: self = .object
        case .custom: self = .custom
        }
    }
}

extension Messages.Gain {
    init(_ gain: Flow.Gain) {
        switch gain {
        case .derived: self = .derived
        case .published: self = .published
        case .uniform(let number): self = .constant(Float(number))
        case .perStep(let numbers): self = .perStep(numbers.map { Float($0) })
        }
    }
}

extension CommandFailure {
    /// A job that ended without a picture.
    init(_ status: Status, job: String) {
        self.init(Code(status.code), "\(status) (job \(job))")
    }
}

extension CommandFailure.Code {
    /// How a command ends whose job ended so.
    init(_ code: StatusCode) {
        self =
            switch code {
            case .unavailable, .resourceExhausted, .deadlineExceeded, .cancelled, .aborted: .temporary
            case let code where code.isPermanent: .refused
            default: .internalFailure
            }
    }
}
