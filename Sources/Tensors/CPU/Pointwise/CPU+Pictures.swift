internal import CKernels

extension CPU {
    public func resizeNearest(_ x: Tensor, height: Int, width: Int) throws(TensorError) -> Tensor {
        try profiled("nearest", of: [x]) { () throws(TensorError) in
            let x = try x.widened()
            let (n, h, w, c) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
            return try perImage(n, try Shape([n, height, width, c]), "nearest resize") { image, out in
                rectifid_resize_nearest(
                    x.pointer + image * h * w * c, out + image * height * width * c, h, w, c, height, width)
            }
        }
    }

    public func resizeNearestGradient(_ dy: Tensor, input: Shape) throws(TensorError) -> Tensor {
        try profiled("nearest gradient", of: [dy]) { () throws(TensorError) in
            let dy = try dy.widened()
            let (n, h, w, c) = (input[0], input[1], input[2], input[3])
            let (height, width) = (dy.shape[1], dy.shape[2])
            return try perImage(n, input, "nearest resize gradient") { image, out in
                rectifid_resize_nearest_gradient(
                    dy.pointer + image * height * width * c, out + image * h * w * c, h, w, c, height, width)
            }
        }
    }

    public func resize(_ x: Tensor, height: Int, width: Int) throws(TensorError) -> Tensor {
        let x = try x.widened()
        let (n, h, w, c) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
        return try perImage(n, try Shape([n, height, width, c]), "resize") { image, out in
            rectifid_resize_bilinear(
                x.pointer + image * h * w * c, out + image * height * width * c, h, w, c, height, width)
        }
    }

    public func resizeGradient(_ dy: Tensor, input: Shape) throws(TensorError) -> Tensor {
        let dy = try dy.widened()
        let (n, h, w, c) = (input[0], input[1], input[2], input[3])
        let (height, width) = (dy.shape[1], dy.shape[2])
        return try perImage(n, input, "resize gradient") { image, out in
            rectifid_resize_bilinear_gradient(
                dy.pointer + image * height * width * c, out + image * h * w * c, h, w, c, height, width)
        }
    }

    public func maxPool(
        _ x: Tensor, kernel: (height: Int, width: Int), _ window: Window
    ) throws(TensorError) -> Tensor {
        let x = try x.widened()
        let (n, h, w, c) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
        let size = try pooled(x.shape, kernel, window)
        return try perImage(n, try Shape([n, size.height, size.width, c]), "max pool") { image, out in
            rectifid_max_pool(
                x.pointer + image * h * w * c, out + image * size.height * size.width * c, h, w, c, size.height,
                size.width, kernel.height, kernel.width, window.strideHeight, window.strideWidth, window.top,
                window.left)
        }
    }

    public func maxPoolGradient(
        _ x: Tensor, _ dy: Tensor, kernel: (height: Int, width: Int), _ window: Window
    ) throws(TensorError) -> Tensor {
        let x = try x.widened(), dy = try dy.widened()
        let (n, h, w, c) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
        let size = try pooled(x.shape, kernel, window)
        return try perImage(n, x.shape, "max pool gradient") { image, out in
            rectifid_max_pool_gradient(
                x.pointer + image * h * w * c, dy.pointer + image * size.height * size.width * c,
                out + image * h * w * c, h, w, c, size.height, size.width, kernel.height, kernel.width,
                window.strideHeight, window.strideWidth, window.top, window.left)
        }
    }

    public func warp(_ x: Tensor, _ map: AffineMap, height: Int, width: Int) throws(TensorError) -> Tensor {
        let x = try x.widened()
        let (n, h, w, c) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
        let matrix = [map.a, map.b, map.c, map.d, map.e, map.f]
        return try perImage(n, try Shape([n, height, width, c]), "warp") { image, out in
            rectifid_warp_affine(
                x.pointer + image * h * w * c, h, w, c, matrix, out + image * height * width * c, height, width)
        }
    }

    public func warpGradient(_ dy: Tensor, _ map: AffineMap, input: Shape) throws(TensorError) -> Tensor {
        let dy = try dy.widened()
        let (n, h, w, c) = (input[0], input[1], input[2], input[3])
        let (height, width) = (dy.shape[1], dy.shape[2])
        let matrix = [map.a, map.b, map.c, map.d, map.e, map.f]
        return try perImage(n, input, "warp gradient") { image, out in
            (out + image * h * w * c).update(repeating: 0, count: h * w * c)
            rectifid_warp_affine_gradient(
                dy.pointer + image * height * width * c, h, w, c, matrix, out + image * h * w * c, height, width)
        }
    }

    private func pooled(
        _ shape: Shape, _ kernel: (height: Int, width: Int), _ window: Window
    ) throws(TensorError) -> (height: Int, width: Int) {
        guard
            let size = window.outputSize(
                height: shape[1], width: shape[2], kernelHeight: kernel.height, kernelWidth: kernel.width)
        else { throw TensorError("max pool", "kernel \(kernel) does not fit shape \(shape)") }
        return size
    }

    /// A result written image by image, each image on one thread.
    private func perImage(
        _ images: Int, _ result: Shape, _ operation: String, _ body: (Int, UnsafeMutablePointer<Float>) -> Void
    ) throws(TensorError) -> Tensor {
        try Tensor.building(result, operation) { out in
            split(images, grain: max(1, CPU.elementGrain * images / max(1, result.count))) { part in
                for image in part { body(image, out) }
            }
        }
    }
}
