import Jobs
import Messages
import Raster
import Synchronization

/// A personalizer whose jobs are interrupted before certain passes.
final class InterruptingPersonalizer: Personalizer {
    private let base: any Personalizer
    /// Passes before which each job, by its seed, is to be interrupted.
    private let plan: Mutex<[UInt64: Set<Int>]>
    private let interrupt = Mutex<@Sendable () -> Void>({})

    init(_ base: any Personalizer, plan: [UInt64: Set<Int>]) {
        self.base = base
        self.plan = Mutex(plan)
    }

    var models: [ModelDescription] { base.models }
    var subjects: [Subject] { base.subjects }
    var device: String { base.device }

    /// What to do to interrupt whatever runs.
    func onInterruption(_ body: @escaping @Sendable () -> Void) { interrupt.withLock { $0 = body } }

    func begin(_ job: PersonalizationJob, resuming state: ResumeState?) throws(Status) -> any PersonalizationRun {
        InterruptedRun(base: try base.begin(job, resuming: state)) { [self] pass in
            let isPlanned = plan.withLock { $0[job.seed]?.remove(pass) != nil }
            if isPlanned { interrupt.withLock { $0 }() }
        }
    }
}

private struct InterruptedRun: PersonalizationRun {
    var base: any PersonalizationRun
    let beforePass: (Int) -> Void

    var modelID: String { base.modelID }
    var modelHash: String { base.modelHash }
    var iterations: Int { base.iterations }
    var completedIterations: Int { base.completedIterations }
    var losses: [Float] { base.losses }
    var similarities: [Float] { base.similarities }
    var metadata: PictureMetadata { base.metadata }
    var timings: [Timing] { base.timings }

    mutating func next() throws(Status) -> PersonalizationPass? {
        beforePass(base.completedIterations)
        return try base.next()
    }

    func guidanceTensors() throws(Status) -> (offsets: [WireTensor], anchors: [WireTensor]) {
        try base.guidanceTensors()
    }
}
