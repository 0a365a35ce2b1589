internal import CKernels

/// Weights of a linear map in float32, packed as `wide_product.h` says.
///
/// One copy, which the derivative transposes part by part as it reads, see ``WideFilter``.
struct WideMatrix: Matrix {
    let inputs, outputs: Int
    let numbers: Tensor

    var shape: Shape { [outputs, inputs] }
    var precision: Precision { .float32 }
}

extension CPU {
    /// Whether weights `[O, I]` of products in float32 can be packed; both are then whole rows of registers.
    func packsWidely(outputs: Int, inputs: Int) -> Bool {
        CPU.hasWideRegisters && convolutionProvider == .automatic && outputs > 0 && inputs > 0 && outputs % 16 == 0
            && inputs % 16 == 0
    }

    func wideMatrix(_ weights: LayerWeights) throws(TensorError) -> WideMatrix {
        let (outputs, inputs) = (weights.shape[0], weights.shape[1])
        let shape = try Shape([rectifid_wide_numbers(inputs, outputs)])
        let numbers = try weights.form("wide packed", shape, .float32) { (weights) throws(TensorError) in
            let plain = try weights.widened()
            return try Tensor.building(shape, "matrix") { out in
                let panel = Int(RECTIFID_PANEL)
                split(rectifid_packed_panels(outputs), grain: max(1, (1 << 18) / (inputs * panel))) { part in
                    let (first, last) = (part.lowerBound * panel, min(outputs, part.upperBound * panel))
                    rectifid_wide_pack(
                        plain.pointer + first * inputs, inputs, last - first, inputs, out + first * inputs)
                }
            }
        }
        return WideMatrix(inputs: inputs, outputs: outputs, numbers: numbers)
    }

    func linear(
        _ x: Tensor, _ weights: WideMatrix, bias: Tensor?, result: Precision
    ) throws(TensorError) -> Tensor {
        try multiply(x, weights, derivative: false, bias: bias, result: result, "linear")
    }

    func linearInputGradient(
        _ dy: Tensor, _ weights: WideMatrix, result: Precision
    ) throws(TensorError) -> Tensor {
        try multiply(dy, weights, derivative: true, bias: nil, result: result, "linear gradient")
    }

    private func multiply(
        _ x: Tensor, _ weights: WideMatrix, derivative: Bool, bias: Tensor?, result: Precision, _ operation: String
    ) throws(TensorError) -> Tensor {
        try profiled(
            operation, operations: 2 * Double(x.shape.rows) * Double(weights.shape.count), of: [x],
            by: OperationWeights(shape: weights.shape, precision: .float32)
        ) { () throws(TensorError) in
            let (inner, outputs) =
                derivative ? (weights.outputs, weights.inputs) : (weights.inputs, weights.outputs)
            let shape = try x.shape.replacing(axis: -1, with: outputs)
            guard shape.count > 0 else { return try Tensor(repeating: 0, shape: shape).converted(to: result) }
            let x = try x.widened()
            let plan = BlockPlan(
                rows: x.shape.rows, block: Int(RECTIFID_WIDE_ROWS), least: 256, panels: rectifid_packed_panels(outputs),
                work: inner * outputs, units: 2 * threads)
            let scratch = try Scratch(
                floats: rectifid_wide_linear_numbers(plan.mostRows), parts: threads, operation)
            return try Tensor.building(shape, operation) { out in
                split(plan.units, grain: plan.grain, scratch) { part, memory in
                    var map = rectifid_wide_map(
                        x: x.pointer, inner: inner, outputs: outputs, weights: weights.numbers.pointer,
                        derivative: derivative, bias: bias?.pointer, out: out)
                    for unit in part {
                        let (rows, panels) = plan.work(unit)
                        rectifid_wide_linear(
                            &map, rows.lowerBound, rows.upperBound, panels.lowerBound, panels.upperBound,
                            memory.assumingMemoryBound(to: Float.self))
                    }
                }
            }.converted(to: result)
        }
    }
}
