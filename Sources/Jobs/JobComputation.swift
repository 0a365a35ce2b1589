import Messages
import Raster
import RectifIDClient

/// The part of a job that runs on its own thread: from the encoded pictures to the encoded result.
struct JobComputation: Sendable {
    let job: Job
    /// The encoded picture of each reference, in order.
    let files: [[UInt8]]
    let control: JobControl
    let personalizer: any Personalizer
    let configuration: WorkerConfiguration
    let observer: any JobObserver
    /// Where events go while the job runs; must not block.
    let emit: @Sendable (PersonalizeEvent.Body) -> Void

    /// How a computation ended.
    enum Outcome: Sendable {
        /// With the state of its last pass, in case the result cannot be delivered.
        case finished(PersonalizeResult, ResumeState?)
        /// Stopped, to go on from the state where there is one.
        case stopped(JobControl.Stop, ResumeState?)
        case failed(Status, ResumeState?)
    }

    func run() -> Outcome {
        do throws(Status) {
            try checkDeadline()
            if let stop = control.stop { return outcome(of: stop, state: job.request.resume) }
            let pictures = try observer.during(.decode) { () throws(Status) in try decodePictures() }
            let (run, state) = try observer.during(.prepare) { () throws(Status) in try begin(pictures) }
            return try drive(run, from: state)
        } catch {
            return .failed(error, job.request.resume)
        }
    }

    private func checkDeadline() throws(Status) {
        guard let deadline = job.deadline, configuration.wallTime.read() >= deadline else { return }
        throw .late(deadline)
    }

    private func decodePictures() throws(Status) -> [Picture] {
        var pictures: [Picture] = []
        for (index, (reference, bytes)) in zip(job.request.references, files).enumerated() {
            let isInline = if case .image = reference.picture { true } else { false }
            let field = "references[\(index)].\(isInline ? "image" : "key")"
            var limits = configuration.pictureLimits
            // The store has limited it already.
            if !isInline { limits.maximumBytes = max(limits.maximumBytes, bytes.count) }
            do {
                pictures.append(try Picture.decode(bytes, limits: limits))
            } catch {
                throw Status(
                    error.kind == .outOfMemory ? .resourceExhausted : .invalidArgument,
                    "\(field): \(error.description)",
                    details: [.fieldViolation(field: field, problem: error.problem, allowed: error.advice)])
            }
        }
        return pictures
    }

    /// Starts the run; a state of other weights is not taken up, since the picture would belong to neither.
    private func begin(_ pictures: [Picture]) throws(Status) -> (any PersonalizationRun, ResumeState?) {
        let work = PersonalizationJob(pictures: pictures, request: job.request, seed: job.seed)
        guard let state = job.request.resume else { return (try personalizer.begin(work, resuming: nil), nil) }
        let id = job.request.modelID ?? personalizer.models.first?.id
        let model = personalizer.models.first { $0.id == id }
        guard model?.hash == state.modelHash else { return (try personalizer.begin(work, resuming: nil), nil) }
        return (try personalizer.begin(work, resuming: state), state)
    }

    private func drive(_ start: any PersonalizationRun, from state: ResumeState?) throws(Status) -> Outcome {
        var run = start
        defer { observer.computed(run.timings) }
        let first = run.completedIterations
        control.report(iteration: first, of: run.iterations)
        emit(
            .accepted(
                PersonalizeAccepted(
                    workerID: configuration.workerID, attempt: job.attempt, firstIteration: first,
                    iterations: run.iterations, modelID: run.modelID, seed: job.seed)))
        switch try observer.during(.guidance, { () throws(Status) -> GuidanceEnd in try guide(&run) }) {
        case .last(let pass):
            let result = try observer.during(.encode) { () throws(Status) -> PersonalizeResult in
                try self.result(of: pass, run: run, after: state)
            }
            return .finished(result, try resumeState(of: run, after: state))
        case .stop(let stop):
            return outcome(of: stop, state: stop == .abandon ? nil : try resumeState(of: run, after: state))
        }
    }

    private enum GuidanceEnd {
        case last(PersonalizationPass)
        case stop(JobControl.Stop)
    }

    /// Makes passes until the last, or until there is a reason to stop.
    private func guide(_ run: inout any PersonalizationRun) throws(Status) -> GuidanceEnd {
        let first = run.completedIterations
        while true {
            if let stop = try stop(run, first: first) { return .stop(stop) }
            let start = ContinuousClock.now
            guard let pass = try run.next() else {
                throw Status(.internal, "the computation ended without a picture; please report this")
            }
            observer.completed(CompletedPass(pass, duration: .now - start))
            control.report(iteration: run.completedIterations, of: run.iterations)
            if pass.isLast { return .last(pass) }
            try emitProgress(pass, of: run)
        }
    }

    /// Why to stop before the next pass, if at all.
    private func stop(_ run: any PersonalizationRun, first: Int) throws(Status) -> JobControl.Stop? {
        try checkDeadline()
        let isHeldLong =
            control.start.duration(to: .now) > configuration.maximumHold && run.completedIterations > first
        guard let stop = control.stop ?? (isHeldLong ? .handOver : nil) else { return nil }
        // One pass is left: finishing is no longer than what another worker would need to start.
        if stop == .handOver, run.completedIterations >= run.iterations { return nil }
        return stop
    }

    private func outcome(of stop: JobControl.Stop, state: ResumeState?) -> Outcome {
        guard case .cancel(let reason) = stop else { return .stopped(stop, state) }
        return .failed(.cancelled(reason), nil)
    }

    private func emitProgress(_ pass: PersonalizationPass, of run: any PersonalizationRun) throws(Status) {
        let done = pass.iteration + 1
        func isDue(_ interval: Int?) -> Bool { interval.map { done % $0 == 0 } ?? false }
        let showsPicture = isDue(job.request.previewInterval)
        guard showsPicture || isDue(job.request.progressInterval) else { return }
        var preview: [UInt8] = []
        if showsPicture {
            let picture = try pass.picture()
            // A preview that cannot be made is no reason to fail the job.
            preview =
                (try? picture.fitted(within: configuration.previewSide).encode(.jpeg(JPEGOptions(quality: 80)))) ?? []
        }
        emit(
            .progress(
                PersonalizeProgress(
                    iteration: done, iterations: run.iterations, loss: pass.loss, similarity: pass.similarity,
                    preview: preview)))
    }

    private func result(
        of pass: PersonalizationPass, run: any PersonalizationRun, after state: ResumeState?
    ) throws(Status) -> PersonalizeResult {
        let picture = try pass.picture()
        let start = ContinuousClock.now
        let bytes: [UInt8]
        do {
            bytes = try picture.encode(PictureEncoding(job.request.output), metadata: run.metadata)
        } catch {
            throw Status(.internal, "the picture could not be encoded: \(error.description)")
        }
        let encoding = Timing(phase: "encode picture", seconds: start.duration(to: .now).inSeconds)
        let before = run.similarities.first ?? pass.similarity
        let isMeasured = before.isFinite && pass.similarity.isFinite
        return PersonalizeResult(
            status: .ok,
            picture: ResultPicture(
                content: .image(bytes), format: job.request.output.format, width: picture.width, height: picture.height),
            similarity: isMeasured ? Similarity(before: before, after: pass.similarity) : nil, losses: run.losses,
            seed: job.seed, timings: Timing.sum(state?.timings ?? [], run.timings + [encoding]), modelID: run.modelID,
            modelHash: run.modelHash, workerID: configuration.workerID, attempt: job.attempt)
    }

    private func resumeState(
        of run: any PersonalizationRun, after state: ResumeState?
    ) throws(Status) -> ResumeState {
        let tensors = try run.guidanceTensors()
        return ResumeState(
            nextIteration: run.completedIterations, offsets: tensors.offsets, anchors: tensors.anchors,
            losses: run.losses, similarities: run.similarities, seed: job.seed, modelHash: run.modelHash,
            timings: Timing.sum(state?.timings ?? [], run.timings), nextSequence: job.firstSequence,
            interruptions: state?.interruptions ?? 0)
    }
}

extension Status {
    /// The deadline is over.
    static func late(_ deadline: UnixMilliseconds?) -> Status {
        Status(
            .deadlineExceeded,
            "the deadline (\(deadline ?? 0) ms since 1970) passed; set a later one, or use the interactive lane")
    }

    /// The client asked for it.
    static func cancelled(_ reason: String) -> Status {
        Status(.cancelled, reason.isEmpty ? "cancelled by request" : "cancelled by request: \(reason)")
    }
}

extension Timing {
    /// Times of the same phase added up, in the order in which phases first appear.
    static func sum(_ earlier: [Timing], _ later: [Timing]) -> [Timing] {
        var sums: [Timing] = []
        for timing in earlier + later {
            if let index = sums.firstIndex(where: { $0.phase == timing.phase }) {
                sums[index].seconds += timing.seconds
                sums[index].count += timing.count
            } else {
                sums.append(timing)
            }
        }
        return sums
    }
}

extension PictureEncoding {
    init(_ output: OutputFormat) {
        switch output {
        case .png: self = .png
        case .jpeg(let quality, let chroma):
            self = .jpeg(JPEGOptions(quality: quality, chroma: chroma == .half ? .half : .full))
        }
    }
}
