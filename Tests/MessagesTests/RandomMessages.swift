import Messages

/// Random values that are within the contract.
extension SeededGenerator {
    mutating func key() -> String {
        "jobs/a" + String((0..<int(1...20)).map { _ in pick(Array("abcXYZ019-_.")) }) + "/a.png"
    }

    mutating func reference() -> Reference {
        Reference(
            picture: coin() ? .image(bytes(1...300)) : .key(key()), subject: pick(Subject.allCases), label: text())
    }

    mutating func gain(steps: Int?) -> Gain {
        switch int(0...3) {
        case 0: .derived
        case 1: .published
        case 2: .constant(float(-100...100))
        default: .perStep((0..<(steps ?? int(1...8))).map { _ in float(-100...100) })
        }
    }

    mutating func outputFormat() -> OutputFormat {
        coin() ? .png : .jpeg(quality: int(1...100), chroma: pick(ChromaSampling.allCases))
    }

    mutating func timing() -> Timing {
        Timing(phase: text(1...20), seconds: Double.random(in: 0...1e6, using: &self), count: int(0...1000))
    }

    mutating func tensor(shape: [Int]) throws -> WireTensor {
        try WireTensor(shape: shape, values: (0..<shape.reduce(1, *)).map { _ in float(-1e6...1e6) })
    }

    mutating func resumeState(steps: Int?, iterations: Int?) throws -> ResumeState {
        let count = steps ?? int(1...6)
        let next = int(0...(iterations.map { min($0, 20) } ?? 20))
        let shape = [1, int(1...4), int(1...4), 4]
        let offsets = try (0..<count).map { _ in try tensor(shape: shape) }
        let anchors = coin() ? try (0..<count).map { _ in try tensor(shape: shape) } : []
        return ResumeState(
            nextIteration: next, offsets: offsets, anchors: anchors,
            losses: (0..<next).map { _ in float(-1...400) }, similarities: (0..<next).map { _ in float(-1...1) },
            seed: self.next(), modelHash: hash(), timings: list(0...4) { $0.timing() }, nextSequence: self.next(),
            interruptions: int(0...9))
    }

    mutating func personalizeRequest() throws -> PersonalizeRequest {
        var request = PersonalizeRequest(references: list(1...4) { $0.reference() }, prompt: text(1...200))
        request.negativePrompt = text()
        request.modelID = maybe { $0.text(1...20) }
        request.seed = maybe { $0.coin() ? 0 : $0.next() }
        if coin() { (request.width, request.height) = (8 * int(2...512), 8 * int(2...512)) }
        request.steps = maybe { $0.int(1...12) }
        request.iterations = maybe { $0.int(0...1000) }
        request.rate = maybe { $0.float(0.001...1000) }
        let steps = request.steps
        request.gain = maybe { $0.gain(steps: steps) }
        request.cfgScale = maybe { $0.float(0.001...50) }
        request.flow = maybe { $0.pick(FlowKind.allCases) }
        request.stopAtSimilarity = maybe { $0.float(0.001...1) }
        request.gradientDepth = maybe { $0.int(1...100) }
        let depth = request.gradientDepth ?? 100
        request.jacobianDepth = maybe { $0.int(0...depth) }
        request.cfgGradient = maybe { $0.pick(CFGGradient.allCases) }
        request.plateauPatience = maybe { $0.int(1...1000) }
        if request.plateauPatience != nil { request.plateauTolerance = maybe { $0.float(0.001...1) } }
        request.output = outputFormat()
        request.progressInterval = maybe { $0.int(1...1000) }
        request.previewInterval = maybe { $0.int(1...1000) }
        if coin() {
            request.resume = try resumeState(steps: request.steps, iterations: request.iterations)
        } else if coin() {
            request.resumeKey = "resume/2026-11-22/job.pb"
        }
        return request
    }

    mutating func statusDetail() -> StatusDetail {
        switch int(0...3) {
        case 0: .fieldViolation(field: text(), problem: text(), allowed: text())
        case 1: .errorInfo(reason: text(), domain: text())
        case 2: .resourceInfo(type: text(), name: text())
        default: .retryInfo(delayMilliseconds: next())
        }
    }

    mutating func result() -> PersonalizeResult {
        let status =
            coin()
            ? Status.ok
            : Status(
                pick(StatusCode.allCases.filter { $0 != .ok }), text(), details: list(0...3) { $0.statusDetail() },
                isRetryable: coin())
        let picture = ResultPicture(
            content: coin() ? .image(bytes(1...300)) : .key(key()), format: pick(ImageFormat.allCases),
            width: int(16...4096), height: int(16...4096))
        return PersonalizeResult(
            status: status, picture: status.code == .ok ? picture : nil,
            similarity: maybe { Similarity(before: $0.float(-1...1), after: $0.float(-1...1)) },
            losses: list(0...50) { $0.float(-1...400) }, seed: next(), timings: list(0...5) { $0.timing() },
            modelID: text(), modelHash: hash(), workerID: text(), attempt: int(1...9))
    }

    mutating func personalizeEvent() -> PersonalizeEvent {
        let iterations = int(1...1000)
        let body: PersonalizeEvent.Body =
            switch int(0...2) {
            case 0:
                .accepted(
                    PersonalizeAccepted(
                        workerID: text(), attempt: int(1...9), firstIteration: int(0...iterations),
                        iterations: iterations, modelID: text(), seed: next()))
            case 1:
                .progress(
                    PersonalizeProgress(
                        iteration: int(1...iterations), iterations: iterations, loss: float(-1...400),
                        similarity: float(-1...1), preview: bytes(0...200)))
            default: .result(result())
            }
        return PersonalizeEvent(jobID: identifier(), sequence: next(), body: body)
    }

    mutating func cancelRequest() -> CancelRequest { CancelRequest(jobID: identifier(), reason: text()) }

    mutating func cancelReply() -> CancelReply {
        CancelReply(
            jobID: identifier(), outcome: pick(CancelOutcome.allCases), workerID: text(), iteration: int(0...1000))
    }

    mutating func describeRequest() -> DescribeRequest { DescribeRequest(workerID: maybe { $0.text(1...20) }) }

    mutating func describeReply() -> DescribeReply {
        DescribeReply(
            workerID: text(1...20), version: text(), state: pick(WorkerState.allCases), device: text(),
            slots: int(0...9),
            jobs: list(0...3) { g in
                let iterations = g.int(0...1000)
                return RunningJob(
                    jobID: g.identifier(), iteration: g.int(0...iterations), iterations: iterations,
                    seconds: Double.random(in: 0...1e5, using: &g))
            },
            models: list(0...3) { g in
                ModelDescription(
                    id: g.text(1...20), hash: g.hash(), flow: g.pick(FlowKind.allCases), width: g.int(16...4096),
                    height: g.int(16...4096), steps: g.int(1...100), iterations: g.int(0...1000),
                    cfgScale: g.float(0.001...50))
            },
            subjects: list(0...4) { $0.pick(Subject.allCases) },
            uptimeSeconds: Double.random(in: 0...1e9, using: &self),
            jobsSucceeded: next(), jobsFailed: next(), maximumRequestBytes: next(),
            lanes: list(0...3) { g in
                ServedLane(name: g.text(1...20), weight: g.int(0...9), shards: g.int(1...64))
            })
    }
}
