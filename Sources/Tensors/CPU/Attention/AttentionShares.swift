internal import CKernels

/// What parts of every head's keys give to the queries' derivative, to be added up in the end.
///
/// The unit of work of an attention's derivative is a head, and where there are few heads some of its keys.
struct AttentionShares {
    private let plan: AttentionPlan
    private let storage: Storage

    init(_ plan: AttentionPlan) throws(TensorError) {
        self.plan = plan
        storage = try Storage(
            floats: plan.units * plan.gradientParts * plan.shareNumbers, operation: "attention gradient")
    }

    /// Numbers `[queries, paddedSize]` of a part of a head; valid as long as the shares are kept.
    func share(_ unit: Int, _ part: Int) -> UnsafeMutablePointer<Float> {
        storage.base.assumingMemoryBound(to: Float.self) + (unit * plan.gradientParts + part) * plan.shareNumbers
    }

    /// The sum of every head's parts.
    ///
    /// - Parameter write: Writes so many rows of sums, `paddedSize` apart, from an element of the result on.
    func gathered(
        _ shape: Shape, _ precision: Precision, on cpu: CPU,
        _ write: (UnsafePointer<Float>, _ rows: Int, _ out: UnsafeMutableRawPointer, _ at: Int) -> Void
    ) throws(TensorError) -> Tensor {
        try Tensor.building(shape, precision, "attention gradient") { out in
            let grain = max(1, CPU.elementGrain / (plan.queryBlock * plan.paddedSize))
            cpu.split(plan.units * plan.queryBlocks, grain: grain) { range in
                for index in range {
                    let (unit, block) = index.quotientAndRemainder(dividingBy: plan.queryBlocks)
                    let rows = plan.rows(block), from = rows.lowerBound * plan.paddedSize
                    let sums = share(unit, 0) + from
                    for part in 1..<plan.gradientParts {
                        rectifid_accumulate(share(unit, part) + from, 1, sums, rows.count * plan.paddedSize)
                    }
                    write(sums, rows.count, out, plan.queryOffset(unit, rows))
                }
            }
        }
    }
}
