import Logging

/// Declarations and questions, strictly one after the other: the answer, or the error that closes the channel, belongs
/// to the step in flight.
extension ConsumeRole {
    /// Declares the remembered topology, then subscribes; before anything a caller waits for.
    func recover() {
        isRecovered = false
        let declarations = remembered.map { ControlJob(steps: [$0], recovery: .declaration) }
        let subscribeAll = ControlJob(steps: [], recovery: .subscribeAll)
        // The job in flight, if any, keeps its place at the head.
        let head = isJobInFlight ? jobs.removeFirst() : nil
        jobs = Fifo([head].compactMap { $0 } + declarations + [subscribeAll] + jobs.all)
        advanceJobs()
    }

    func advanceJobs() {
        guard isOnline, !isJobInFlight else { return }
        while let job = jobs.first {
            let isDone = job.position == job.steps.count
            guard isDone || job.call?.isAnswered == true else { break }
            jobs.removeFirst()
            if isDone { finish(job) }
        }
        guard let job = jobs.first else { return }
        guard let control else {
            control = openChannel(.control)
            return
        }
        guard control.isOpen else { return }
        isJobInFlight = true
        outbox.append(job.steps[job.position], on: control.number)
    }

    func completeStep(_ answer: ServerMethod) {
        guard isJobInFlight, var job = jobs.first else { return }
        isJobInFlight = false
        job.position += 1
        job.lastAnswer = answer
        jobs.first = job
        advanceJobs()
    }

    private func finish(_ job: ControlJob) {
        for step in job.remembers where !remembered.contains(step) { remembered.append(step) }
        job.call?.answer(.success(job.lastAnswer))
        switch job.recovery {
        case .subscribeAll:
            isRecovered = true
            if recoveryRetryAt == nil { recoveryBackoff.reset() }
            for subscription in subscriptions.values where subscription.channel == nil { subscribe(subscription) }
        case .subscribe(let id): if let subscription = subscriptions[id] { subscribe(subscription) }
        case .declaration, nil: break
        }
    }

    func failJob(_ error: BrokerError) {
        guard isJobInFlight, let job = jobs.removeFirst() else { return advanceJobs() }
        isJobInFlight = false
        job.call?.fail(error)
        if job.recovery == .declaration {
            logger.warning("cannot declare again", metadata: ["what": "\(job.steps)", "error": "\(error)"])
            if case .resourceLocked = error {
                // The broker has not noticed yet that the connection which owns the exclusive queue is gone.
                let retryAt = ContinuousClock.now + recoveryBackoff.next(using: &random)
                recoveryRetryAt = retryAt
                noteDeadline(retryAt)
            }
        }
        advanceJobs()
    }

    func forget(_ name: ForgottenName) {
        remembered.removeAll { step in
            switch (step, name) {
            case (.declareQueue(let queue, _), .queue(let name)): queue.name == name
            case (.bind(let binding), .queue(let name)): binding.queue == name
            case (.declareExchange(let exchange), .exchange(let name)): exchange.name == name
            case (.bind(let binding), .exchange(let name)): binding.exchange == name
            default: false
            }
        }
    }

    /// The remembered declarations that a queue needs.
    func declarations(of queue: String) -> [ClientMethod] {
        remembered.filter { step in
            switch step {
            case .declareQueue(let declared, _): declared.name == queue
            case .bind(let binding): binding.queue == queue
            default: false
            }
        }
    }

    func expireJobs(_ now: ContinuousClock.Instant) {
        for job in jobs.all {
            guard let deadline = job.deadline, let call = job.call, !call.isAnswered else { continue }
            if deadline <= now { call.fail(timedOut("declaration or query")) } else { noteDeadline(deadline) }
        }
        advanceJobs()
    }
}
