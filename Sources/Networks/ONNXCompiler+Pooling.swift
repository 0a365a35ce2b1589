import Autodiff
import Checkpoints
import Tensors

extension ONNXCompiler {
    mutating func pool(_ node: ONNXNode) throws(ONNXError) -> ONNXValue {
        let picture = try channelsLast(try required(node, 0), node.place)
        let (batch, channels) = (picture.extents[0], picture.extents[1])
        let input = (height: picture.extents[2], width: picture.extents[3])
        if node.operation == "GlobalAveragePool" {
            return try emit([picture], extents: [batch, channels, 1, 1], layout: .channelsLast, node.place) {
                (x) throws(TensorError) in try x[0].mean(over: [1, 2])
            }
        }
        let sides = node.operation == "GlobalMaxPool" ? [input.height, input.width] : try node.integers("kernel_shape")
        guard let sides, sides.count == 2, sides.allSatisfy({ (1...4096).contains($0) }) else {
            throw ONNXError(.unsupported, node.place, "kernel_shape must be two numbers from 1 to 4096")
        }
        let kernel = (height: sides[0], width: sides[1])
        let plain = try window(node, input: input, kernel: kernel)
        let window = try node.integer("ceil_mode") ?? 0 == 0 ? plain : roundedUp(plain, input: input, kernel: kernel)
        guard
            let size = window.outputSize(
                height: input.height, width: input.width, kernelHeight: kernel.height, kernelWidth: kernel.width)
        else { throw ONNXError(.malformed, node.place, "the window \(sides) does not fit \(picture.extents)") }
        let extents = [batch, channels, size.height, size.width]
        if node.operation != "AveragePool" {
            return try emit([picture], extents: extents, layout: .channelsLast, node.place) { (x) throws(TensorError) in
                try x[0].maxPooled(kernel: kernel, window)
            }
        }
        guard window.dilationHeight == 1, window.dilationWidth == 1 else {
            throw ONNXError(.unsupported, node.place, "an average with dilations")
        }
        let includesBorder = try node.integer("count_include_pad") ?? 0 != 0
        return try averagePool(
            picture, extents: extents, kernel: kernel, window: window, declared: plain, includesBorder: includesBorder,
            node)
    }

    /// The window with the border that makes the output round up.
    ///
    /// A last window that would start behind the declared border is left out, as PyTorch does it.
    private func roundedUp(
        _ window: Window, input: (height: Int, width: Int), kernel: (height: Int, width: Int)
    ) -> Window {
        func extra(_ extent: Int, _ kernel: Int, _ before: Int, _ after: Int, _ stride: Int, _ dilation: Int) -> Int {
            let reach = (kernel - 1) * dilation + 1
            let free = extent + before + after - reach
            guard free >= 0 else { return 0 }
            var outputs = (free + stride - 1) / stride + 1
            if (outputs - 1) * stride >= extent + before { outputs -= 1 }
            return max(0, (outputs - 1) * stride - free)
        }
        var larger = window
        larger.bottom += extra(
            input.height, kernel.height, window.top, window.bottom, window.strideHeight, window.dilationHeight)
        larger.right += extra(
            input.width, kernel.width, window.left, window.right, window.strideWidth, window.dilationWidth)
        return larger
    }

    /// Sums by a convolution of each channel with ones, then divides by the number of elements under each window.
    private mutating func averagePool(
        _ picture: ONNXValue, extents: [Int], kernel: (height: Int, width: Int), window: Window, declared: Window,
        includesBorder: Bool, _ node: ONNXNode
    ) throws(ONNXError) -> ONNXValue {
        let channels = extents[1]
        func counts(_ outputs: Int, _ extent: Int, _ kernel: Int, _ stride: Int, _ before: Int, _ after: Int) -> [Float]
        {
            (0..<outputs).map { index in
                let start = index * stride - before
                let low = includesBorder ? start : max(start, 0)
                let high = min(start + kernel, includesBorder ? extent + after : extent)
                return Float(max(high - low, 1))
            }
        }
        let rows = counts(
            extents[2], picture.extents[2], kernel.height, window.strideHeight, declared.top, declared.bottom)
        let columns = counts(
            extents[3], picture.extents[3], kernel.width, window.strideWidth, declared.left, declared.right)
        var window = window
        window.groups = channels
        try checkSize([channels, kernel.height, kernel.width], node.place)
        let (filter, share) = try attempt(node.place) { () throws(TensorError) in
            let ones = try Tensor(repeating: 1, shape: Shape([channels, kernel.height, kernel.width, 1]))
            let share = rows.flatMap { row in columns.map { 1 / (row * $0) } }
            return (try ones.device.filter(ones), try Tensor(share, shape: Shape([rows.count, columns.count, 1])))
        }
        return try emit([picture], extents: extents, layout: .channelsLast, node.place) {
            [window] (x) throws(TensorError) in
            try x[0].convolved(filter, window).multiplied(by: Variable(share))
        }
    }
}
