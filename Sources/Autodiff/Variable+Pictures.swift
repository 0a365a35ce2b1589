public import Tensors

/// Resampling and pooling of pictures `[N, H, W, C]`.
extension Variable {
    private func picture(_ operation: String) throws(TensorError) {
        guard shape.rank == 4, shape.count > 0 else {
            throw TensorError(operation, "shape \(shape) is not a picture [N, H, W, C]")
        }
    }

    /// Nearest neighbour by integer factors.
    public func upsampled(height: Int = 2, width: Int = 2) throws(TensorError) -> Variable {
        try picture("upsample")
        return try resizedNearest(height: shape[1] * height, width: shape[2] * width)
    }

    /// Nearest neighbour to any size, as PyTorch's `interpolate`: output pixel i takes input pixel floor(i * from / to).
    public func resizedNearest(height: Int, width: Int) throws(TensorError) -> Variable {
        try picture("nearest resize")
        guard height > 0, width > 0 else { throw TensorError("nearest resize", "size \(height) x \(width)") }
        let input = shape
        return mapped(try device.resizeNearest(tensor, height: height, width: width)) { (dy) throws(TensorError) in
            try dy.device.resizeNearestGradient(dy, input: input)
        }
    }

    /// Bilinear, half-pixel centres, clamped borders, no anti-aliasing.
    public func resized(height: Int, width: Int) throws(TensorError) -> Variable {
        try picture("resize")
        guard height > 0, width > 0 else { throw TensorError("resize", "size \(height) x \(width)") }
        let input = shape
        return mapped(try device.resize(tensor, height: height, width: width)) { (dy) throws(TensorError) in
            try dy.device.resizeGradient(dy, input: input)
        }
    }

    /// Largest value of each window; padding never wins.
    public func maxPooled(kernel: (height: Int, width: Int), _ window: Window) throws(TensorError) -> Variable {
        try picture("max pool")
        guard
            window.outputSize(
                height: shape[1], width: shape[2], kernelHeight: kernel.height, kernelWidth: kernel.width) != nil
        else { throw TensorError("max pool", "kernel \(kernel) does not fit shape \(shape)") }
        let x = tensor
        return mapped(try device.maxPool(x, kernel: kernel, window)) { (dy) throws(TensorError) in
            try dy.device.maxPoolGradient(x, dy, kernel: kernel, window)
        }
    }

    /// Samples the picture at `map(x, y)` for each output pixel (x, y).
    ///
    /// Bilinear, zeros outside, pixel centres on integers. The sampling is differentiated, the map is not.
    public func warped(_ map: AffineMap, height: Int, width: Int) throws(TensorError) -> Variable {
        try picture("warp")
        guard height > 0, width > 0 else { throw TensorError("warp", "size \(height) x \(width)") }
        let input = shape
        return mapped(try device.warp(tensor, map, height: height, width: width)) { (dy) throws(TensorError) in
            try dy.device.warpGradient(dy, map, input: input)
        }
    }
}
