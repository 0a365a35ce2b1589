import Autodiff
import Checkpoints
import Tensors

extension ONNXCompiler {
    mutating func reduction(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        var value = try required(node, 0)
        if case .flattened = value.layout { value = try plain(value, node.place) }
        let listed = graph.opset >= (node.operation == "ReduceSum" ? 13 : 18)
        let given = listed ? try integers(node, 1) : try node.integers("axes")
        if given?.isEmpty ?? true, try node.integer("noop_with_empty_axes") ?? 0 != 0 { return value }
        var axes: Set<Int> = []
        for axis in given.flatMap({ $0.isEmpty ? nil : $0 }) ?? Array(value.extents.indices) {
            axes.insert(try self.axis(axis, rank: value.extents.count, node))
        }
        guard value.count > 0, !axes.isEmpty else { throw ONNXError(.unsupported, node.place, "nothing to reduce") }
        let kept = value.extents.indices.map { axes.contains($0) ? 1 : value.extents[$0] }
        let stored = axes.map { value.storedAxis($0) }.sorted()
        let operation = node.operation
        let result = try emit([value], extents: kept, layout: value.layout, node.place) { (x) throws(TensorError) in
            switch operation {
            case "ReduceMean": return try x[0].mean(over: stored)
            case "ReduceSum": return try x[0].sum(over: stored)
            default: return try x[0].multiplied(by: x[0]).sum(over: stored).activated(.sqrt)
            }
        }
        if try node.integer("keepdims") ?? 1 != 0 { return result }
        let extents = value.extents.indices.filter { !axes.contains($0) }.map { value.extents[$0] }
        return try view(try plain(result, node.place), stored: extents, extents: extents, layout: .plain, node.place)
    }

    mutating func softmax(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        let value = try required(node, 0)
        let rank = value.extents.count
        let axis = try self.axis(try node.integer("axis") ?? (graph.opset < 13 ? 1 : -1), rank: rank, node)
        guard value.count > 0 else { throw ONNXError(.unsupported, node.place, "an empty value") }
        if graph.opset < 13 {
            // Until then over all axes from `axis` on, as if they were one.
            let ordered = try plain(value, node.place)
            let (result, row) = (
                try shape(value.extents, node.place),
                try shape([value.extents[..<axis].reduce(1, *), value.extents[axis...].reduce(1, *)], node.place)
            )
            return try emit([ordered], extents: value.extents, node.place) { (x) throws(TensorError) in
                try x[0].reshaped(row).softmax().reshaped(result)
            }
        }
        if value.layout == .channelsLast, axis == 1 {
            return try emit([value], extents: value.extents, layout: .channelsLast, node.place) {
                (x) throws(TensorError) in
                try x[0].softmax()
            }
        }
        var order = Array(0..<rank)
        order.swapAt(axis, rank - 1)
        let ordered = try plain(value, node.place)
        let inner = try permute(
            ordered, axes: order, extents: order.map { value.extents[$0] }, layout: .plain, node.place)
        let result = try emit([inner], extents: inner.extents, node.place) { (x) throws(TensorError) in
            try x[0].softmax()
        }
        return try permute(result, axes: order, extents: value.extents, layout: .plain, node.place)
    }
}
