#if arch(x86_64)
    internal import CKernels

    /// Weights of a linear map in bfloat16, packed as `narrow_product.h` says.
    ///
    /// One copy, which the derivative transposes as it goes, see ``WinogradFilter``.
    struct PackedMatrix: Sendable {
        let inputs, outputs: Int
        /// Packed words, as bytes of a tensor of bfloat16 numbers.
        let words: Tensor

        var pointer: UnsafePointer<UInt32> { words.bytes.assumingMemoryBound(to: UInt32.self) }

        /// Multiplications and additions for so many rows.
        func operations(rows: Int) -> Double { 2 * Double(rows) * Double(inputs * outputs) }

        fileprivate var reported: OperationWeights { OperationWeights(shape: [outputs, inputs], precision: .bfloat16) }
    }

    extension CPU {
        /// Whether weights `[O, I]` of products in bfloat16 can be packed; both are then whole rows of registers.
        func packs(outputs: Int, inputs: Int) -> Bool {
            convolutionProvider == .automatic && CPU.hasFewProducts && outputs > 0 && inputs > 0 && outputs % 16 == 0
                && inputs % 16 == 0
        }

        func packed(_ weights: LayerWeights) throws(TensorError) -> PackedMatrix {
            let (outputs, inputs) = (weights.shape[0], weights.shape[1])
            let shape = try Shape([2 * rectifid_packed_words(inputs, outputs)])
            let words = try weights.form("packed", shape, .bfloat16) { (numbers) throws(TensorError) in
                let plain = try numbers.converted(to: .bfloat16)
                return try Tensor.building(shape, .bfloat16, "matrix") { out in
                    let (panel, packed) = (Int(RECTIFID_PANEL), out.assumingMemoryBound(to: UInt32.self))
                    split(rectifid_packed_panels(outputs), grain: max(1, (1 << 18) / (inputs * panel))) { part in
                        let (first, last) = (part.lowerBound * panel, min(outputs, part.upperBound * panel))
                        rectifid_pack_transposed(
                            plain.halves + first * inputs, inputs, last - first, inputs, packed + first * inputs / 2)
                    }
                }
            }
            return PackedMatrix(inputs: inputs, outputs: outputs, words: words)
        }

        func linear(
            _ x: Tensor, _ weights: PackedMatrix, bias: Tensor?, result: Precision
        ) throws(TensorError) -> Tensor {
            try profiled(
                "linear", operations: weights.operations(rows: x.shape.rows), of: [x], by: weights.reported
            ) { () throws(TensorError) in
                try multiply(x, weights, bias: bias, result: result, "linear")
            }
        }

        func linearInputGradient(
            _ dy: Tensor, _ weights: PackedMatrix, result: Precision
        ) throws(TensorError) -> Tensor {
            try profiled(
                "linear gradient", operations: weights.operations(rows: dy.shape.rows), of: [dy], by: weights.reported
            ) {
                () throws(TensorError) in
                try multiply(dy, try transposed(weights), bias: nil, result: result, "linear gradient")
            }
        }

        private func transposed(_ weights: PackedMatrix) throws(TensorError) -> PackedMatrix {
            let (inputs, outputs) = (weights.inputs, weights.outputs)
            let shape = try Shape([2 * rectifid_packed_words(outputs, inputs)])
            let words = try Tensor.building(shape, .bfloat16, "linear gradient") { out in
                split(rectifid_packed_panels(inputs), grain: max(1, (1 << 20) / (outputs * 48))) { part in
                    rectifid_transpose_packed(
                        weights.pointer, inputs, outputs, part.lowerBound, part.upperBound,
                        out.assumingMemoryBound(to: UInt32.self))
                }
            }
            return PackedMatrix(inputs: outputs, outputs: inputs, words: words)
        }

        private func multiply(
            _ x: Tensor, _ weights: PackedMatrix, bias: Tensor?, result: Precision, _ operation: String
        ) throws(TensorError) -> Tensor {
            let shape = try x.shape.replacing(axis: -1, with: weights.outputs)
            guard shape.count > 0 else { return try Tensor(repeating: 0, shape: shape).converted(to: result) }
            let x = try x.converted(to: .bfloat16), rows = x.shape.rows
            let plan = BlockPlan(
                rows: rows, block: (rows + 7) / 8 * 8, least: 128, panels: rectifid_packed_panels(weights.outputs),
                work: weights.inputs * weights.outputs, units: 4 * threads)
            return try Tensor.building(shape, result, operation) { out in
                split(plan.units, grain: plan.grain) { part in
                    for unit in part {
                        let (rows, panels) = plan.work(unit)
                        rectifid_narrow_linear(
                            x.halves, weights.inputs, weights.pointer, weights.outputs, bias?.pointer, out,
                            result == .bfloat16, rows.lowerBound, rows.upperBound, panels.lowerBound,
                            panels.upperBound)
                    }
                }
            }
        }
    }
#endif
