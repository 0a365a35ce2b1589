import Autodiff
import Checkpoints
import Tensors

/// Moving values between the file's order and the engine's, and operators that only move elements.
extension ONNXCompiler {
    /// The value in the file's order.
    mutating func plain(_ value: ONNXValue, _ place: String) throws(ONNXError) -> ONNXValue {
        switch value.layout {
        case .plain: return value
        case .channelsLast:
            return try permute(
                value, axes: ONNXValue.channelsFirstAxes, extents: value.extents, layout: .plain, place)
        case .flattened(let channels, let height, let width):
            let batch = value.extents[0]
            var picture = value
            picture = try view(
                picture, stored: [batch, height, width, channels], extents: [batch, channels, height, width],
                layout: .channelsLast, place)
            let ordered = try plain(picture, place)
            return try view(ordered, stored: value.extents, extents: value.extents, layout: .plain, place)
        }
    }

    /// The value, of rank 4, as `[N, H, W, C]` in memory.
    mutating func channelsLast(_ value: ONNXValue, _ place: String) throws(ONNXError) -> ONNXValue {
        guard value.extents.count == 4 else {
            throw ONNXError(.unsupported, place, "extents \(value.extents); only pictures [N, C, H, W] are supported")
        }
        if value.layout == .channelsLast { return value }
        return try permute(
            value, axes: ONNXValue.channelsLastAxes, extents: value.extents, layout: .channelsLast, place)
    }

    /// Other extents over the same memory.
    mutating func view(
        _ value: ONNXValue, stored: [Int], extents: [Int], layout: ONNXValue.Layout, _ place: String
    ) throws(ONNXError) -> ONNXValue {
        let shape = try shape(stored, place)
        if stored == value.stored {
            var same = value
            (same.extents, same.layout) = (extents, layout)
            return same
        }
        return try emit([value], extents: extents, layout: layout, place) { (x) throws(TensorError) in
            try x[0].reshaped(shape)
        }
    }

    /// Reorders axes in memory; where only extents of 1 change places nothing moves.
    mutating func permute(
        _ value: ONNXValue, axes: [Int], extents: [Int], layout: ONNXValue.Layout, _ place: String
    ) throws(ONNXError) -> ONNXValue {
        let stored = value.stored
        let moving = axes.filter { stored[$0] != 1 }
        if moving == moving.sorted() {
            return try view(value, stored: axes.map { stored[$0] }, extents: extents, layout: layout, place)
        }
        return try emit([value], extents: extents, layout: layout, place) { (x) throws(TensorError) in
            try x[0].transposed(axes)
        }
    }

    mutating func reshape(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        let value = try required(node, 0)
        guard let target = try integers(node, 1) else {
            throw ONNXError(.malformed, node.place, "input 1, the new extents, is missing")
        }
        let zeroCopies = try node.integer("allowzero") ?? 0 == 0
        var extents: [Int] = []
        for (axis, extent) in target.enumerated() {
            if extent == 0, zeroCopies {
                guard value.extents.indices.contains(axis) else {
                    throw ONNXError(.malformed, node.place, "extent 0 copies axis \(axis), which the input has not")
                }
                extents.append(value.extents[axis])
            } else {
                extents.append(extent)
            }
        }
        if let free = extents.firstIndex(of: -1) {
            let others = extents.enumerated().filter { $0.offset != free }.map(\.element)
            try checkSize(others, node.place)
            let product = others.reduce(1, *)
            guard product > 0, value.count % product == 0 else {
                throw ONNXError(.malformed, node.place, "extents \(value.extents) do not become \(target)")
            }
            extents[free] = value.count / product
        }
        return try reshaped(value, to: extents, node)
    }

    mutating func flatten(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        let value = try required(node, 0)
        let rank = value.extents.count
        let axis = try node.integer("axis") ?? 1
        guard axis >= -rank, axis <= rank else {
            throw ONNXError(.malformed, node.place, "axis \(axis) of a value with \(rank) axes")
        }
        let first = axis < 0 ? axis + rank : axis
        let extents = [value.extents[..<first].reduce(1, *), value.extents[first...].reduce(1, *)]
        return try reshaped(value, to: extents, node)
    }

    mutating func squeeze(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        let value = try required(node, 0)
        var dropped: Set<Int> = []
        let listed = graph.opset >= 13 ? try integers(node, 1) : try node.integers("axes")
        for axis in listed ?? value.extents.indices.filter({ value.extents[$0] == 1 }) {
            let axis = try self.axis(axis, rank: value.extents.count, node)
            guard value.extents[axis] == 1 else {
                throw ONNXError(.malformed, node.place, "axis \(axis) of \(value.extents) is not 1")
            }
            dropped.insert(axis)
        }
        let extents = value.extents.indices.filter { !dropped.contains($0) }.map { value.extents[$0] }
        return try reshaped(value, to: extents, node)
    }

    mutating func unsqueeze(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        let value = try required(node, 0)
        let listed = graph.opset >= 13 ? try integers(node, 1) : try node.integers("axes")
        let axes = listed ?? []
        let rank = value.extents.count + axes.count
        var added: Set<Int> = []
        for axis in axes {
            guard added.insert(try self.axis(axis, rank: rank, node)).inserted else {
                throw ONNXError(.malformed, node.place, "axis \(axis) occurs twice")
            }
        }
        var rest = value.extents.makeIterator()
        let extents = (0..<rank).map { added.contains($0) ? 1 : rest.next() ?? 1 }
        return try reshaped(value, to: extents, node)
    }

    /// Other extents over the same elements in the file's order.
    mutating func reshaped(_ value: ONNXValue, to extents: [Int], _ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        try checkSize(extents, node.place)
        guard extents.reduce(1, *) == value.count else {
            throw ONNXError(.malformed, node.place, "extents \(value.extents) do not become \(extents)")
        }
        if extents == value.extents { return value }
        if case .integers = value.source { return ONNXValue(source: value.source, extents: extents) }
        if value.layout == .channelsLast, extents.count == 2, extents[0] == value.extents[0] {
            // The order of the columns is settled by whoever reads them: a Gemm reorders its weights instead.
            let (channels, height, width) = (value.extents[1], value.extents[2], value.extents[3])
            if channels != 1, height * width != 1 {
                return try view(
                    value, stored: extents, extents: extents,
                    layout: .flattened(channels: channels, height: height, width: width), node.place)
            }
        }
        return try view(try plain(value, node.place), stored: extents, extents: extents, layout: .plain, node.place)
    }

    mutating func transpose(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        var value = try required(node, 0)
        let rank = value.extents.count
        let axes = try node.integers("perm") ?? Array((0..<rank).reversed())
        guard axes.sorted() == Array(0..<rank) else {
            throw ONNXError(.malformed, node.place, "perm \(axes) is no order of \(rank) axes")
        }
        if rank < 2 { return value }
        let extents = axes.map { value.extents[$0] }
        if value.layout == .plain, axes == ONNXValue.channelsFirstAxes {
            // Already [N, H, W, C]: from now on called by the file's name for it.
            return try view(value, stored: value.stored, extents: extents, layout: .channelsLast, node.place)
        }
        if case .flattened = value.layout { value = try plain(value, node.place) }
        let stored = axes.map { value.storedAxis($0) }
        return try permute(value, axes: stored, extents: extents, layout: .plain, node.place)
    }

    mutating func concat(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        var parts: [ONNXValue] = []
        for index in node.inputs.indices { parts.append(try required(node, index)) }
        guard let first = parts.first, let given = try node.integer("axis") else {
            throw ONNXError(.malformed, node.place, "inputs or the axis are missing")
        }
        let axis = try self.axis(given, rank: first.extents.count, node)
        var extents = first.extents
        extents[axis] = 0
        for part in parts {
            var others = part.extents
            guard others.count == extents.count else {
                throw ONNXError(.malformed, node.place, "inputs have \(others.count) and \(extents.count) axes")
            }
            let sum = extents[axis].addingReportingOverflow(others[axis])
            others[axis] = extents[axis]
            guard others == extents, !sum.overflow else {
                throw ONNXError(.malformed, node.place, "extents off axis \(axis) differ")
            }
            extents[axis] = sum.partialValue
        }
        let known = parts.compactMap { if case .integers(let list) = $0.source { list } else { nil } }
        if known.count == parts.count, extents.count == 1 {
            try checkIntegers(extents[0], node)
            return ONNXValue(source: .integers(known.flatMap { $0 }), extents: extents)
        }
        if parts.count == 1 { return first }
        let pictures = parts.contains { $0.layout == .channelsLast }
        for index in parts.indices {
            parts[index] =
                pictures ? try channelsLast(parts[index], node.place) : try plain(parts[index], node.place)
        }
        let stored = parts[0].storedAxis(axis)
        return try emit(parts, extents: extents, layout: parts[0].layout, node.place) { (x) throws(TensorError) in
            try Variable.concatenating(x, axis: stored)
        }
    }
}
