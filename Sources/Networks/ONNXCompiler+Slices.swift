import Autodiff
import Checkpoints
import Tensors

/// Operators that take parts of values, or put values into larger ones.
extension ONNXCompiler {
    /// Every `step`-th element of a range of an axis.
    mutating func sliced(
        _ value: ONNXValue, axis: Int, _ range: Range<Int>, step: Int = 1, _ place: String
    ) throws(ONNXError) -> ONNXValue {
        var value = value
        if case .flattened = value.layout { value = try plain(value, place) }
        if step == 1, range == 0..<value.extents[axis] { return value }
        var extents = value.extents
        extents[axis] = (range.count + step - 1) / step
        let stored = value.storedAxis(axis)
        if step == 1 || range.isEmpty {
            return try emit([value], extents: extents, layout: value.layout, place) { (x) throws(TensorError) in
                try x[0].sliced(axis: stored, range)
            }
        }
        guard value.extents.count < Shape.maximumRank else { throw ONNXError(.unsupported, place, "too many axes") }
        // [.., count * step, ..] seen as [.., count, step, ..], of which the first of each step is kept.
        let count = extents[axis]
        var padding = value.stored
        padding[stored] = max(0, range.lowerBound + count * step - value.extents[axis])
        var pairs = value.stored
        pairs[stored] = count
        let (fill, result) = (try shape(padding, place), try shape(pairs, place))
        pairs.insert(step, at: stored + 1)
        let split = try shape(pairs, place)
        return try emit([value], extents: extents, layout: value.layout, place) { (x) throws(TensorError) in
            let whole =
                fill.count == 0
                ? x[0]
                : try Variable.concatenating([x[0], Variable(try Tensor(repeating: 0, shape: fill))], axis: stored)
            let part = try whole.sliced(axis: stored, range.lowerBound..<range.lowerBound + count * step)
            return try part.reshaped(split).sliced(axis: stored + 1, 0..<1).reshaped(result)
        }
    }

    mutating func slice(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        var value = try required(node, 0)
        let listed = graph.opset < 10
        let starts = listed ? try node.integers("starts") : try integers(node, 1)
        let ends = listed ? try node.integers("ends") : try integers(node, 2)
        guard let starts, let ends, starts.count == ends.count else {
            throw ONNXError(.malformed, node.place, "starts and ends do not go together")
        }
        let axes = (listed ? try node.integers("axes") : try integers(node, 3)) ?? Array(starts.indices)
        let steps = (listed ? nil : try integers(node, 4)) ?? [Int](repeating: 1, count: starts.count)
        guard axes.count == starts.count, steps.count == starts.count else {
            throw ONNXError(.malformed, node.place, "axes or steps do not go with the starts")
        }
        for index in starts.indices {
            let axis = try self.axis(axes[index], rank: value.extents.count, node)
            let (extent, step) = (value.extents[axis], steps[index])
            guard step > 0, step <= 1 << 20 else {
                throw ONNXError(.unsupported, node.place, "step \(step); positive steps are supported")
            }
            func clamped(_ position: Int) -> Int {
                let fromFront = position < 0 ? position + extent : position  // Never overflows: one is negative.
                return min(max(fromFront, 0), extent)
            }
            let start = clamped(starts[index])
            let range = start..<max(start, clamped(ends[index]))
            if case .integers(let list) = value.source {
                guard value.extents.count == 1 else { throw ONNXError(.unsupported, node.place, "tables of integers") }
                let kept = stride(from: range.lowerBound, to: range.upperBound, by: step).map { list[$0] }
                value = ONNXValue(source: .integers(kept), extents: [kept.count])
            } else {
                value = try sliced(value, axis: axis, range, step: step, node.place)
            }
        }
        return value
    }

    mutating func split(_ node: ONNXNode) throws(ONNXError) -> [ONNXValue] {
        let value = try required(node, 0)
        let axis = try self.axis(try node.integer("axis") ?? 0, rank: value.extents.count, node)
        let extent = value.extents[axis]
        let count = node.outputs.count
        var sizes = graph.opset < 13 ? try node.integers("split") : try integers(node, 1)
        if sizes == nil, count > 0 {
            let share = (extent + count - 1) / count
            sizes = (0..<count).map { max(0, min(share, extent - $0 * share)) }
        }
        guard let sizes, sizes.count == count, sizes.allSatisfy({ $0 >= 0 && $0 <= extent }),
            sizes.reduce(0, +) == extent
        else {
            throw ONNXError(.malformed, node.place, "axis \(axis) of \(value.extents) is not split into its outputs")
        }
        var parts: [ONNXValue] = []
        var start = 0
        for size in sizes {
            parts.append(try sliced(value, axis: axis, start..<start + size, node.place))
            start += size
        }
        return parts
    }

    mutating func gather(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        let value = try required(node, 0)
        let chosen = try required(node, 1)
        guard case .integers(let indices) = chosen.source, chosen.extents.count <= 1, indices.count <= 1024 else {
            throw ONNXError(.unsupported, node.place, "indices must be a constant or a short constant list")
        }
        let axis = try self.axis(try node.integer("axis") ?? 0, rank: value.extents.count, node)
        let extent = value.extents[axis]
        var positions: [Int] = []
        for index in indices {
            guard index >= -extent, index < extent else {
                throw ONNXError(.malformed, node.place, "index \(index) of an axis of \(extent)")
            }
            positions.append(index < 0 ? index + extent : index)
        }
        if case .integers(let list) = value.source {
            guard value.extents.count == 1 else { throw ONNXError(.unsupported, node.place, "tables of integers") }
            return ONNXValue(source: .integers(positions.map { list[$0] }), extents: chosen.extents)
        }
        let source = try plain(value, node.place)
        var extents = source.extents
        extents[axis] = positions.count
        let gathered = try emit([source], extents: extents, node.place) { [positions] (x) throws(TensorError) in
            var rows: [Variable] = []
            for position in positions { rows.append(try x[0].sliced(axis: axis, position..<position + 1)) }
            return try Variable.concatenating(rows, axis: axis)
        }
        if !chosen.extents.isEmpty { return gathered }
        extents.remove(at: axis)
        return try view(gathered, stored: extents, extents: extents, layout: .plain, node.place)
    }

    mutating func expand(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        let value = try required(node, 0)
        guard let target = try integers(node, 1) else { throw ONNXError(.malformed, node.place, "no extents") }
        let extents = try broadcast(value.extents, target, node)
        if extents == value.extents { return value }
        if case .integers(let list) = value.source {
            guard list.count == 1, extents.count <= 1 else {
                throw ONNXError(.unsupported, node.place, "tables of integers")
            }
            let count = extents.first ?? 1
            try checkIntegers(count, node)
            return ONNXValue(source: .integers(.init(repeating: list[0], count: count)), extents: extents)
        }
        try checkSize(extents, node.place)
        let shape = try shape(extents, node.place)
        return try emit([try plain(value, node.place)], extents: extents, node.place) { (x) throws(TensorError) in
            try x[0].adding(Variable(try Tensor(repeating: 0, shape: shape)))
        }
    }

    mutating func pad(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        var value = try required(node, 0)
        if case .flattened = value.layout { value = try plain(value, node.place) }
        let mode = try node.text("mode") ?? "constant"
        guard mode == "constant" else {
            throw ONNXError(.unsupported, node.place, "mode \(mode); constant is supported")
        }
        let attributes = graph.opset < 11
        guard let pads = attributes ? try node.integers("pads") : try integers(node, 1) else {
            throw ONNXError(.malformed, node.place, "the pads are missing")
        }
        let fill: Float =
            attributes
            ? try node.number("value") ?? 0
            : try constant(node, 2)?.elements.first ?? 0
        let axes = (attributes ? nil : try integers(node, 3)) ?? Array(value.extents.indices)
        guard pads.count == 2 * axes.count, pads.allSatisfy({ $0 >= 0 && $0 <= 1 << 16 }) else {
            throw ONNXError(.unsupported, node.place, "pads \(pads) must be two per axis, from 0 to 65536")
        }
        for (index, axis) in axes.enumerated() {
            let axis = try self.axis(axis, rank: value.extents.count, node)
            let (before, after) = (pads[index], pads[index + axes.count])
            if before == 0, after == 0 { continue }
            var extents = value.extents
            extents[axis] += before + after
            let stored = value.storedAxis(axis)
            let memory = value.stored
            func border(_ extent: Int) throws(ONNXError) -> Shape {
                var extents = memory
                extents[stored] = extent
                try checkSize(extents, node.place)
                return try shape(extents, node.place)
            }
            let (first, last) = (try border(before), try border(after))
            value = try emit([value], extents: extents, layout: value.layout, node.place) { (x) throws(TensorError) in
                var parts = [x[0]]
                if before > 0 { parts.insert(Variable(try Tensor(repeating: fill, shape: first)), at: 0) }
                if after > 0 { parts.append(Variable(try Tensor(repeating: fill, shape: last))) }
                return try Variable.concatenating(parts, axis: stored)
            }
        }
        return value
    }
}
